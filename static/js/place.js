// The way between all photos and the favorites, and to the same page after a deed: the photo, or
// the month, that was looked at stands at the same height. So it does when the page gets another
// width or its cells another size; and the address names the month.

const KEY = "lightkeep-place";
const LINE = 90; // below the bar at the top
const TOP = 60; // where the bar ends
const ADDRESS_MS = 250; // browsers refuse an address that changes with every frame

export function startPlace({ months, findCell, blocks }) {
  const sections = [...months.querySelectorAll(".month")];
  if (!sections.length) return { keep: (change) => change() };
  const own = location.pathname;
  const isGrid = blocks.length > 0;
  let anchor = null; // what stands at the top of the screen, and how
  let mine = -1; // where the page was scrolled to from here
  let width = months.clientWidth;
  let timer = 0;
  let frame = 0;

  for (const link of document.querySelectorAll("[data-keep-place]"))
    link.addEventListener("click", () => {
      const section = sectionAt(sections, LINE);
      if (!section.id || scrollY < 1) return sessionStorage.removeItem(KEY);
      const to = new URL(link.href);
      // A library that shows a decade at a time has to know which.
      if (document.querySelector(".decades")) to.searchParams.set("month", section.id.slice(2));
      to.hash = section.id;
      link.href = to;
      sessionStorage.setItem(KEY, JSON.stringify({ to: to.hash, ...anchorOf(section) }));
    });

  addEventListener("scroll", () => (frame ||= requestAnimationFrame(follow)), { passive: true });
  months.addEventListener("filled", follow);
  new ResizeObserver(() => {
    if (months.clientWidth === width) return;
    width = months.clientWidth;
    settle();
  }).observe(months);
  restore();
  follow();
  return { keep };

  function follow() {
    frame = 0;
    if (months.clientWidth !== width) return; // scrolled by the browser itself; it settles in a moment
    // Where a change of width has led to, the photo that was looked at before is still the one.
    if (Math.abs(scrollY - mine) > 1 || !anchor?.node.isConnected) anchor = look();
    if (!isGrid) return;
    clearTimeout(timer);
    timer = setTimeout(tellAddress, ADDRESS_MS);
  }

  function tellAddress() {
    if (location.pathname !== own) return; // the viewer is open
    const hash = scrollY < 1 ? "" : `#${sectionAt([...months.querySelectorAll(".month")], LINE).id}`;
    if (hash !== location.hash) history.replaceState(history.state, "", own + location.search + hash);
  }

  // The first cell that is seen, else the block that will hold it.
  function look() {
    if (scrollY < 1) return null;
    const section = sectionAt([...months.querySelectorAll(".month")], TOP);
    const block = firstSeen(section.querySelectorAll(".cells"));
    const filled = block && !("empty" in block.dataset) ? block.children : [];
    const node = firstSeen(filled) ?? block ?? section;
    const { top, height } = node.getBoundingClientRect();
    return { node, top, height };
  }

  function settle() {
    if (!anchor?.node.isConnected) return;
    const { top, height } = anchor.node.getBoundingClientRect();
    // What is half under the bar stays half under it, however high it is now.
    const wanted = anchor.top < TOP ? TOP - ((TOP - anchor.top) * height) / anchor.height : anchor.top;
    document.documentElement.classList.add("refreshing");
    scrollBy({ top: top - wanted, behavior: "instant" });
    mine = scrollY;
    requestAnimationFrame(() => requestAnimationFrame(() => document.documentElement.classList.remove("refreshing")));
  }

  function keep(change) {
    if (!anchor?.node.isConnected) anchor = look();
    document.documentElement.classList.add("refreshing");
    change();
    settle();
  }

  async function restore() {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    sessionStorage.removeItem(KEY);
    history.scrollRestoration = "auto";
    const asked = location.hash.match(/^#m-([0-9]{4}-[0-9]{2}|undated)$/)?.[1];
    if (!asked) return;
    const exact = document.getElementById(`m-${asked}`);
    const section = exact ?? nearest(asked);
    if (!exact) {
      history.replaceState(history.state, "", `#${section.id}`);
      section.scrollIntoView({ behavior: "instant" });
    }
    if (!exact || kept?.to !== `#m-${asked}` || !kept.photo) return;
    const at = scrollY;
    const cell = await findCell(kept.photo, asked);
    // Who has scrolled meanwhile is where he wants to be.
    if (cell && Math.abs(scrollY - at) < 2) scrollBy({ top: cell.getBoundingClientRect().top - kept.top, behavior: "instant" });
  }

  // The first favorite that is seen of that month: it is on both pages.
  function anchorOf(section) {
    const top = (star) => star.parentElement.getBoundingClientRect().top;
    const stars = [...section.querySelectorAll('[data-star][aria-pressed="true"]')];
    const star = stars.find((one) => top(one) > 40 && top(one) < innerHeight);
    return star ? { photo: star.dataset.star, top: top(star) } : {};
  }

  function nearest(key) {
    if (key === "undated") return sections.at(-1);
    const away = (section) => {
      const other = section.id.slice(2);
      return other === "undated" ? Infinity : Math.abs(monthNumber(other) - monthNumber(key));
    };
    return sections.reduce((best, section) => (away(section) < away(best) ? section : best));
  }
}

// Loads the page anew, with the first photo that is seen and is not of `moved` at its height.
// named: the month shall stand in the query too, for a page that shows a decade at a time.
export function reloadInPlace(moved = new Set(), { named = false } = {}) {
  const top = (cell) => cell.getBoundingClientRect().top;
  const sections = [...document.querySelectorAll(".month")];
  if (scrollY < 1 || !sections.length) {
    history.replaceState(history.state, "", location.pathname + location.search);
  } else {
    const cells = [...document.querySelectorAll(".cell a[data-photo]")];
    const cell = cells.find((one) => top(one) > 40 && top(one) < innerHeight && !moved.has(one.dataset.photo));
    const section = cell?.closest(".month") ?? sectionAt(sections, LINE);
    const to = `#${section.id}`;
    const address = new URL(to, location.href);
    if (named) address.searchParams.delete("decade");
    if (named) address.searchParams.set("month", section.id.slice(2));
    history.replaceState(history.state, "", address);
    history.scrollRestoration = "manual";
    sessionStorage.setItem(KEY, JSON.stringify({ to, ...(cell && { photo: cell.dataset.photo, top: top(cell) }) }));
  }
  location.reload();
}

const monthNumber = (key) => Number(key.slice(0, 4)) * 12 + Number(key.slice(5));

// The first that reaches below the bar; they stand in page order.
function firstSeen(nodes) {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (nodes[middle].getBoundingClientRect().bottom > TOP + 1) high = middle;
    else low = middle + 1;
  }
  return nodes[low];
}

// The section that is at this height of the screen; they stand in page order.
export function sectionAt(sections, line) {
  let low = 0;
  let high = sections.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sections[middle].getBoundingClientRect().top <= line) low = middle;
    else high = middle - 1;
  }
  return sections[low];
}
