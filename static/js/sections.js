// Blocks of a month are filled when they come near and emptied when they are far. Their
// height never changes: CSS gives an empty block the height that it has when filled.

import { fetchFragment } from "./api.js";

const NEAR_PX = 1400; // filled when it comes this near to the screen
const MOST_CELLS = 1300; // held at a time; beyond it the farthest blocks are emptied
const LOADS_AT_ONCE = 3;
const SETTLE_MS = 90; // a scrub that flies past months loads none of them

export function startSections(months) {
  const query = new URLSearchParams(months.dataset.query ?? "");
  const blocks = [...months.querySelectorAll(".cells[data-month]")];
  const near = new Set();
  const loading = new Map();
  const asked = new Set(); // wanted for their own sake, however far
  let timer = 0;

  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) near.add(entry.target);
        else near.delete(entry.target);
      }
      schedule();
    },
    { rootMargin: `${NEAR_PX}px 0px` },
  );
  blocks.forEach((block) => observer.observe(block));

  // After months have changed: blocks that came are watched, those that went are forgotten.
  function adopt() {
    const before = new Set(blocks);
    blocks.splice(0, blocks.length, ...months.querySelectorAll(".cells[data-month]"));
    for (const block of blocks) if (!before.delete(block)) observer.observe(block);
    for (const block of before) {
      observer.unobserve(block);
      near.delete(block);
      loading.get(block)?.abort();
    }
  }

  function schedule() {
    clearTimeout(timer);
    timer = setTimeout(work, SETTLE_MS);
  }

  function work() {
    for (const [block, load] of loading) if (!near.has(block) && !asked.has(block)) load.abort();
    const wanted = [...near]
      .filter((block) => "empty" in block.dataset && !loading.has(block))
      .sort((a, b) => distance(a) - distance(b));
    for (const block of wanted.slice(0, LOADS_AT_ONCE - loading.size)) fill(block);
  }

  async function fill(block) {
    if (!("empty" in block.dataset)) return;
    const load = new AbortController();
    loading.get(block)?.abort(); // one load a block, whoever asks
    loading.set(block, load);
    try {
      const cells = await fetchFragment(addressOf(block), load.signal);
      const filled = document.createElement("template");
      filled.innerHTML = cells;
      makeRoom(filled.content.childElementCount);
      block.replaceChildren(filled.content);
      delete block.dataset.empty;
      block.dispatchEvent(new CustomEvent("filled", { bubbles: true }));
    } catch (error) {
      // Stays empty and is asked for again: at once if it is near, later if the server is away.
      if (error.name !== "AbortError") await new Promise((done) => setTimeout(done, 1500));
    } finally {
      if (loading.get(block) === load) loading.delete(block);
      schedule();
    }
  }

  function addressOf(block) {
    const address = new URL(`/months/${block.dataset.month}`, location.href);
    for (const [name, value] of query) address.searchParams.set(name, value);
    address.searchParams.set("offset", block.dataset.offset);
    return address;
  }

  // The farthest blocks make room for cells that come, never those near the screen.
  function makeRoom(coming) {
    const filled = blocks.filter((block) => !("empty" in block.dataset));
    let cells = filled.reduce((sum, block) => sum + block.childElementCount, coming);
    const far = filled
      .filter((block) => !near.has(block) && !block.contains(document.activeElement))
      .sort((a, b) => distance(b) - distance(a));
    for (const block of far) {
      if (cells <= MOST_CELLS) return;
      cells -= block.childElementCount;
      block.replaceChildren();
      block.dataset.empty = "";
    }
  }

  function distance(block) {
    const { top, bottom } = block.getBoundingClientRect();
    return Math.max(0, top - innerHeight, -bottom);
  }

  // The cell of a photo, its block filled if need be; null where the page does not show it.
  async function findCell(photoId, month) {
    const selector = `[data-photo="${photoId}"]`;
    const found = months.querySelector(`.cells ${selector}`);
    if (found || !month) return found;
    for (const block of blocks.filter((one) => one.dataset.month === month)) {
      await fillBlock(block);
      const cell = block.querySelector(selector);
      if (cell) return cell;
    }
    return null;
  }

  async function fillBlock(block) {
    asked.add(block);
    try {
      await fill(block);
    } finally {
      asked.delete(block);
    }
  }

  return { months, blocks, query, addressOf, findCell, fillBlock, adopt };
}
