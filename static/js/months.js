// The grid as the server has it now, in place: cells that stay are not drawn again, and what is
// looked at stays where it is.

import { getJson, getNodes } from "./api.js";

export function startMonths(sections) {
  const { months, blocks, query, addressOf } = sections;
  const isGrid = blocks.length > 0; // later there may be none: all photos can go

  // keys: months of which something is known to have changed; those with other counts are found.
  async function refresh(keys = []) {
    if (!isGrid) return refreshPart();
    const address = new URL("/months", location.href);
    for (const [name, value] of query) address.searchParams.set(name, value);
    const listed = (await getJson(address)).months;
    const wanted = new Set(keys);
    for (const { key, count } of listed) if (count !== Number(sectionOf(key)?.dataset.count ?? 0)) wanted.add(key);
    for (const section of months.querySelectorAll(".month"))
      if (!listed.some(({ key }) => section.id === `m-${key}`)) wanted.add(section.id.slice(2));
    // A page that shows one decade gets no months of another.
    const whole = !document.querySelector(".decades");
    const shown = [...wanted].filter((key) => sectionOf(key) || whole);
    const fresh = await Promise.all(shown.map(fetchSection));
    return keepPlace(() => fresh.forEach((one) => put(one, listed)));
  }

  // The page of a month, or of a part of it, has one section and no blocks.
  async function refreshPart() {
    const section = months.querySelector(".month");
    const page = await getNodes(location.href).catch(() => null); // nothing is left of it
    const fresh = page?.querySelector(".month") ?? null;
    const own = fresh ? [...fresh.querySelectorAll(".cells")] : [];
    keepPlace(() => swap(section, fresh, own));
  }

  const sectionOf = (key) => document.getElementById(`m-${key}`);

  async function fetchSection(key) {
    const address = new URL(`/sections/${key}`, location.href);
    for (const [name, value] of query) address.searchParams.set(name, value);
    const section = (await getNodes(address)).querySelector(".month");
    const own = section ? [...section.querySelectorAll(".cells")] : [];
    await Promise.all(own.map(async (block, number) => {
      block.style.setProperty("--n", block.dataset.count);
      const before = document.getElementById(block.id);
      if (before ? "empty" in before.dataset : number) return;
      const cells = new URL(addressOf(block));
      cells.searchParams.set("fragment", "1");
      block.replaceChildren(await getNodes(cells));
      delete block.dataset.empty;
    }));
    return { key, section, own };
  }

  function put({ key, section: fresh, own }, listed) {
    const section = sectionOf(key);
    if (section) swap(section, fresh, own);
    else if (fresh) insert(fresh, key, listed);
    for (const option of document.querySelectorAll(`[data-jump] option[value="m-${key}"]`)) option.hidden = !fresh;
    sections.adopt();
    for (const block of own) if (!("empty" in block.dataset)) block.dispatchEvent(new CustomEvent("filled", { bubbles: true }));
  }

  // fresh: null where the month has no photos now.
  function swap(section, fresh, own) {
    const old = [...section.querySelectorAll(".cells")];
    const cells = new Map(old.flatMap((block) => [...block.children]).map((cell) => [nameOf(cell), cell]));
    for (const block of own)
      for (const cell of block.querySelectorAll(".cell")) {
        const before = cells.get(nameOf(cell));
        if (before && lookOf(before) === lookOf(cell)) cell.replaceWith(before);
      }
    old.forEach((block) => block.remove());
    section.append(...own);
    section.dataset.count = fresh?.dataset.count ?? "0";
    // The check of the month stays: it is what has the focus, perhaps.
    if (fresh) section.querySelector(".month-head .quiet").replaceWith(fresh.querySelector(".month-head .quiet"));
  }

  // A month that the page did not have, before the next one that it has.
  function insert(fresh, key, listed) {
    const behind = listed.slice(listed.findIndex((month) => month.key === key) + 1).map((month) => sectionOf(month.key));
    months.insertBefore(fresh, behind.find(Boolean) ?? null);
  }

  // Photos that go or come above what is seen do not push it away. The last cell before the
  // first that is seen tells by how much: it is no neighbor of what changed on the screen.
  function keepPlace(change) {
    const cells = [...months.querySelectorAll(".cell")];
    const first = cells.findIndex((cell) => cell.getBoundingClientRect().bottom > 0);
    const tops = (first < 0 ? [] : cells.slice(Math.max(0, first - 40), first)).reverse().map((cell) => [nameOf(cell), cell.getBoundingClientRect().top]);
    const focused = document.activeElement;
    document.documentElement.classList.add("refreshing");
    change();
    if (focused !== document.activeElement)
      if (focused.isConnected) focused.focus({ preventScroll: true });
      else if (!document.querySelector("dialog:modal")) document.dispatchEvent(new CustomEvent("focuslost"));
    for (const [name, top] of tops) {
      const cell = name && months.querySelector(`[data-photo="${name}"]`);
      if (!cell) continue;
      scrollBy({ top: cell.getBoundingClientRect().top - top, behavior: "instant" });
      break;
    }
    requestAnimationFrame(() => requestAnimationFrame(() => document.documentElement.classList.remove("refreshing")));
    months.dispatchEvent(new CustomEvent("refreshed"));
  }

  return refresh;
}

const nameOf = (cell) => cell.querySelector("a[data-photo]")?.dataset.photo;
const lookOf = (cell) => [cell.querySelector("a").getAttribute("aria-label"), cell.querySelector("a").innerHTML].join();
