// Keyboard among the cells (one of them is in the tab order), and cells without a picture.

export function startCells(months, sections) {
  let current = null;

  function adopt() {
    for (const part of months.querySelectorAll(".cell > :not([tabindex])")) part.tabIndex = -1;
    // The page's policy takes no style from HTML that comes later; a script may set it.
    for (const cell of months.querySelectorAll("[data-colors]")) {
      cell.style.setProperty("--colors", cell.dataset.colors);
      delete cell.dataset.colors;
    }
    if (!current?.isConnected) setCurrent(months.querySelector(".cell a"));
  }

  // A cell with its check and its star, and the check of its month.
  function setCurrent(cell) {
    for (const part of stopsOf(current)) part.tabIndex = -1;
    current = cell;
    for (const part of stopsOf(current)) part.tabIndex = 0;
  }

  const stopsOf = (cell) =>
    cell ? [...cell.parentElement.children, cell.closest(".month")?.querySelector("[data-month-check]")].filter(Boolean) : [];

  adopt();
  months.addEventListener("filled", adopt);
  months.addEventListener("focusin", (event) => {
    const cell = cellOf(event.target);
    if (cell && cell !== current) setCurrent(cell);
  });
  months.addEventListener("error", (event) => event.target.closest(".cell a")?.classList.add("broken"), true);
  for (const image of months.querySelectorAll(".cell img"))
    if (image.complete && !image.naturalWidth && image.currentSrc) image.parentElement.classList.add("broken");

  months.addEventListener("keydown", async (event) => {
    const cell = cellOf(event.target);
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = targetOf(event.key, cell);
    if (target === undefined) return;
    event.preventDefault();
    const next = target instanceof Element ? target : await cellBeyond(cell, target);
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  });

  // A cell, or -1 or 1 for the neighboring block, or undefined for keys that are not ours.
  function targetOf(key, cell) {
    const cells = [...months.querySelectorAll(".cell a")];
    const here = cells.indexOf(cell);
    const block = cell.closest(".cells");
    if (key === "ArrowRight") return sameRun(cells[here + 1], block, 1) ?? 1;
    if (key === "ArrowLeft") return sameRun(cells[here - 1], block, -1) ?? -1;
    if (key === "ArrowDown" || key === "PageDown") return inColumn(cells.slice(here + 1), cell, 1, key === "PageDown") ?? 1;
    if (key === "ArrowUp" || key === "PageUp") return inColumn(cells.slice(0, here).reverse(), cell, -1, key === "PageUp") ?? -1;
    if (key === "Home") return block.querySelector("a");
    if (key === "End") return block.lastElementChild.querySelector("a");
    return undefined;
  }

  // Filled blocks need not be neighbors: never step over an empty one.
  function sameRun(candidate, block, direction) {
    if (!candidate) return undefined;
    const other = candidate.closest(".cells");
    return other === block || neighbor(block, direction) === other ? candidate : undefined;
  }

  function inColumn(candidates, cell, direction, page) {
    const from = cell.getBoundingClientRect();
    const least = page ? innerHeight - 120 : from.height / 2;
    const block = cell.closest(".cells");
    const row = candidates.find((other) => Math.abs(other.getBoundingClientRect().top - from.top) >= least);
    if (!row || (!page && !sameRun(row, block, direction))) return undefined;
    const top = row.getBoundingClientRect().top;
    return candidates
      .filter((other) => Math.abs(other.getBoundingClientRect().top - top) < 2)
      .reduce((best, other) => (offset(other, from) < offset(best, from) ? other : best), row);
  }

  const offset = (cell, from) => Math.abs(cell.getBoundingClientRect().left - from.left);
  const neighbor = (block, direction) => sections.blocks[sections.blocks.indexOf(block) + direction];

  async function cellBeyond(cell, direction) {
    const block = neighbor(cell.closest(".cells"), direction);
    if (!block) return null;
    await sections.fillBlock(block);
    return direction > 0 ? block.querySelector("a") : block.lastElementChild?.querySelector("a");
  }

  // For who loses the focus because what had it went away: the last cell, or one that is seen.
  function focusCurrent() {
    const cell = isSeen(current) ? current : [...months.querySelectorAll(".cell a")].find(isSeen) ?? current;
    cell?.focus({ preventScroll: true });
  }

  function isSeen(cell) {
    const box = cell?.isConnected && cell.getBoundingClientRect();
    return Boolean(box) && box.top >= 0 && box.bottom <= innerHeight;
  }

  return { focusCurrent };
}

// The link of the cell that something is in.
export const cellOf = (node) => node.closest?.(".cell")?.querySelector("a") ?? null;
