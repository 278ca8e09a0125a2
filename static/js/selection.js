// Chosen photos, by id: they stay chosen while blocks are emptied and filled again.

import { fetchFragment, post, sentenceOf } from "./api.js";
import { cellOf } from "./cells.js";
import { startPress } from "./press.js";
import { listErrors, photos, undoOperation } from "./reports.js";
import { gettext, ngettext } from "./texts.js";

const LOADS_AT_ONCE = 4;
const MOST_AT_ONCE = 50; // photos that are written within one request where long work is under way
const FAVORITE = 5;

export function startSelection(bar, sections, { cells, stars, dates, trash, toasts, operations }) {
  const { months } = sections;
  let blocks = [...months.querySelectorAll(".cells")];
  const chosen = new Map(); // photo id -> its block
  const asked = new Map(); // block that is not filled -> the photos that the server named
  const count = bar.querySelector("[data-selection-count]");
  let anchor = null; // where a range begins: { id, block }
  let drag = null; // a finger that chooses: where from, and what was chosen before
  let gathering = null;
  let frame = 0;

  // -- which -----------------------------------------------------------------------------------

  const idOf = (link) => link.dataset.photo;
  const linksOf = (block) => [...block.querySelectorAll("a[data-photo]")];

  function toggle(link) {
    const block = link.closest(".cells");
    if (!chosen.delete(idOf(link))) chosen.set(idOf(link), block);
    anchor = { id: idOf(link), block };
    tell();
  }

  // From where the last choice was to here, with all that lies between, seen or not.
  async function choseTo(link) {
    if (!anchor) return toggle(link);
    const to = placeOf(link);
    const list = await listBetween(anchor, to);
    if (!list) return;
    for (const [id, block] of list) chosen.set(id, block);
    anchor = to;
    tell();
  }

  const placeOf = (link) => ({ id: idOf(link), block: link.closest(".cells") });

  // All photos from one place to another, with their blocks; null when given up.
  async function listBetween(from, to) {
    const [low, high] = [blocks.indexOf(from.block), blocks.indexOf(to.block)].sort((a, b) => a - b);
    const between = blocks.slice(low, high + 1);
    const lists = await gather(between);
    if (!lists) return null;
    const all = between.flatMap((block, number) => lists[number].map(({ id }) => [id, block]));
    const ends = [from, to].map((end) => all.findIndex(([id]) => id === end.id));
    const [first, last] = ends.sort((a, b) => a - b);
    return all.slice(first, last + 1);
  }

  // After a long touch: what lies between it and the finger is chosen, or no longer, and what
  // the finger has left again is as it was.
  function beginDrag(link) {
    const adding = !chosen.has(idOf(link));
    const before = new Map(chosen);
    toggle(link);
    drag = { from: anchor, before, adding, to: null };
  }

  async function dragTo(link) {
    const one = drag;
    const to = (one.to = placeOf(link));
    const list = await listBetween(one.from, to);
    if (!list || one.to !== to) return;
    chosen.clear();
    for (const [id, block] of one.before) chosen.set(id, block);
    for (const [id, block] of list)
      if (one.adding) chosen.set(id, block);
      else chosen.delete(id);
    anchor = to;
    tell();
  }

  async function toggleMonth(section) {
    const own = blocks.filter((block) => section.contains(block));
    if (isWhole(section)) {
      for (const [id, block] of chosen) if (own.includes(block)) chosen.delete(id);
      return tell();
    }
    const lists = await gather(own);
    own.forEach((block, number) => lists?.[number].forEach(({ id }) => chosen.set(id, block)));
    tell();
  }

  // Of every photo that is chosen all of its day; photos without a date stand for themselves.
  async function chooseDays() {
    const sections = new Set([...chosen.values()].map((block) => block.closest(".month")));
    const own = blocks.filter((block) => sections.has(block.closest(".month")));
    const lists = await gather(own);
    if (!lists) return;
    const days = new Set(lists.flat().filter(({ id, day }) => day && chosen.has(id)).map(({ day }) => day));
    own.forEach((block, number) => lists[number].forEach(({ id, day }) => days.has(day) && chosen.set(id, block)));
    tell();
  }

  // The photos of each block, asked for where a block is not filled; null when given up.
  async function gather(wanted) {
    const mine = (gathering = new AbortController());
    const lists = new Array(wanted.length);
    const waiting = wanted.keys();
    const work = async () => {
      for (const number of waiting) lists[number] = await photosOf(wanted[number], mine.signal);
    };
    const slow = setTimeout(() => tell(gettext("Selecting…")), 150);
    try {
      await Promise.all(Array.from({ length: LOADS_AT_ONCE }, work));
      return mine === gathering ? lists : null;
    } catch (error) {
      mine.abort();
      if (error.name !== "AbortError") toasts.say(gettext("Not all photos between could be selected. {why}", { why: sentenceOf(error) }), { error: true, key: "gather" });
      return null;
    } finally {
      clearTimeout(slow);
      tell();
    }
  }

  async function photosOf(block, signal) {
    if (!("empty" in block.dataset)) return linksOf(block).map(describe);
    if (!asked.has(block)) {
      const page = document.createElement("template");
      page.innerHTML = await fetchFragment(sections.addressOf(block), signal);
      asked.set(block, [...page.content.querySelectorAll("a[data-photo]")].map(describe));
    }
    return asked.get(block);
  }

  const describe = (link) => ({ id: idOf(link), day: link.dataset.day });

  function clear() {
    gathering?.abort();
    gathering = null;
    chosen.clear();
    anchor = null;
    tell();
  }

  // -- what is seen ----------------------------------------------------------------------------

  function tell(words) {
    const some = chosen.size > 0;
    const hadFocus = bar.contains(document.activeElement);
    count.textContent = words ?? (some ? gettext("{count} selected", { count: chosen.size }) : "");
    bar.hidden = !some && !words;
    document.documentElement.classList.toggle("selecting", some);
    if (bar.hidden && hadFocus) cells.focusCurrent();
    frame ||= requestAnimationFrame(markAll);
  }

  function markAll() {
    frame = 0;
    blocks.forEach(mark);
    const counts = new Map();
    for (const block of chosen.values()) {
      const section = block.closest(".month");
      counts.set(section, (counts.get(section) ?? 0) + 1);
    }
    for (const section of months.querySelectorAll(".month")) {
      const some = counts.get(section) ?? 0;
      const state = !some ? "false" : some < Number(section.dataset.count) ? "mixed" : "true";
      section.querySelector("[data-month-check]").setAttribute("aria-checked", state);
    }
  }

  function mark(block) {
    for (const link of linksOf(block)) {
      const is = chosen.has(idOf(link));
      if (link.parentElement.classList.toggle("selected", is) === is)
        link.parentElement.querySelector(".cell-check").setAttribute("aria-checked", String(is));
    }
  }

  // The blocks where photos are now whose own went; photos that are gone go.
  function relocate(some) {
    for (const [id, block] of some) {
      if (block.isConnected) continue;
      const now = months.querySelector(`.cells [data-photo="${id}"]`)?.closest(".cells") ?? document.getElementById(block.id);
      if (now?.querySelector(`[data-photo="${id}"]`) || (now && "empty" in now.dataset)) some.set(id, now);
      else some.delete(id);
    }
  }

  const isWhole = (section) => section.querySelector("[data-month-check]").getAttribute("aria-checked") === "true";

  months.addEventListener("filled", ({ target }) => {
    asked.delete(target);
    mark(target);
  });
  months.addEventListener("refreshed", () => {
    blocks = [...months.querySelectorAll(".cells")];
    asked.clear();
    relocate(chosen);
    if (anchor && !anchor.block.isConnected) anchor = null;
    tell();
  });
  document.addEventListener("focuslost", () => cells.focusCurrent());

  // -- pointer and keys ------------------------------------------------------------------------

  months.addEventListener("click", (event) => {
    const month = event.target.closest("[data-month-check]");
    if (month) return toggleMonth(month.closest(".month"));
    const link = cellOf(event.target);
    if (!link || event.button || event.ctrlKey || event.metaKey) return undefined;
    if (event.target.closest(".cell-star")) return undefined;
    if (press.takeFired()) return event.preventDefault();
    if (event.shiftKey) choseTo(link);
    else if (event.target.closest(".cell-check") || chosen.size) toggle(link);
    else return undefined;
    return event.preventDefault();
  });
  // Shift and a press select photos, not words.
  months.addEventListener("mousedown", (event) => event.shiftKey && cellOf(event.target) && event.preventDefault());

  const press = startPress(months, { begin: beginDrag, reach: dragTo });

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog:modal") || event.target.closest?.("input, select, textarea")) return;
    if (event.key === "Escape" && (chosen.size || gathering)) clear();
    else if (event.key === "f" && chosen.size) rate(FAVORITE);
    else if (event.key === "Delete" && chosen.size) trashChosen();
    else if (event.key === "d" && chosen.size) chooseDays();
    else {
      const link = cellOf(event.target);
      if (!link) return;
      if (event.key === "f") stars.toggle(idOf(link));
      else if (event.key === "Delete") trash.move([Number(idOf(link))]);
      else if (event.key === "x") toggle(link);
      else if (event.key === "d") toggle(link), chooseDays();
      else if (event.key === "X") choseTo(link);
      else return;
    }
    event.preventDefault();
  });

  // -- deeds -----------------------------------------------------------------------------------

  bar.addEventListener("click", (event) => {
    const deed = event.target.closest("[data-deed]")?.dataset.deed;
    if (deed === "favorite") rate(FAVORITE);
    else if (deed === "unfavorite") rate(0);
    else if (deed === "days") chooseDays();
    else if (deed === "date") changeDates();
    else if (deed === "trash") trashChosen();
    else if (deed === "clear") clear();
  });

  // What was chosen stays so until the dates are on their way.
  function changeDates() {
    dates.ask([...chosen.keys()], { begun: clear });
  }

  function trashChosen() {
    const before = new Map(chosen);
    trash.move([...before.keys()].map(Number), { begun: clear, again: (ids) => () => choose(ids.map((id) => [id, before.get(id)])) });
  }

  async function rate(rating) {
    const before = new Map(chosen);
    if (!before.size) return;
    clear();
    try {
      const { outcome, operation } = await send({ photo_ids: [...before.keys()].map(Number), rating });
      report(outcome, operation, rating, before);
    } catch (error) {
      again(before, gettext("Select them again"), ngettext("{count} photo not changed. {why}", "{count} photos not changed. {why}", before.size, { why: sentenceOf(error) }));
    } finally {
      stars.refresh(before.keys());
    }
  }

  // As long work with a bar; where other long work is under way, a few within one request.
  async function send(body) {
    try {
      const begun = await post("/api/photos/bulk-favorite", body, { Prefer: "respond-async" });
      return { outcome: begun.status === 202 ? await outcomeOf(begun.operation) : begun.answer, operation: begun.operation };
    } catch (error) {
      if (error.status !== 409 || body.photo_ids.length > MOST_AT_ONCE) throw error;
      const done = await post("/api/photos/bulk-favorite", body);
      return { outcome: done.answer, operation: done.operation };
    }
  }

  async function outcomeOf(id) {
    const { status, report: done, message } = await operations.watch(id);
    return status === "completed" ? done : { stopped: message || gettext("It was stopped.") };
  }

  function report(outcome, operation, rating, before) {
    const undo = operation ? () => takeBack(operation, before) : undefined;
    if (outcome.stopped) {
      const words = gettext("Not all of {photos} were done. {why} What was written until then is kept.", { photos: photos(before.size), why: outcome.stopped });
      return toasts.say(words, { undo, error: true });
    }
    const { success_count: done, error_count: failed, errors } = outcome;
    const words =
      rating === FAVORITE
        ? ngettext("{count} photo added to favorites", "{count} photos added to favorites", done)
        : ngettext("{count} photo removed from favorites", "{count} photos removed from favorites", done);
    if (done) toasts.say(words, { undo, key: `bulk-${operation}` });
    if (!failed) return undefined;
    const some = new Map(errors.map(({ photo_id: id }) => [String(id), before.get(String(id))]));
    return again(some, failed === 1 ? gettext("Select it") : gettext("Select them"), ngettext("{count} photo could not be changed", "{count} photos could not be changed", failed), errors);
  }

  // What was not done can be chosen again with one press.
  function again(some, action, words, errors) {
    toasts.say(words, { undo: () => choose(some), action, error: true, details: errors && listErrors(errors) });
  }

  function choose(some) {
    const found = new Map(some);
    relocate(found);
    for (const [id, block] of found) chosen.set(id, block);
    tell();
  }

  async function takeBack(operation, before) {
    const words = await undoOperation(operation, { toasts, watch: operations.watch });
    if (words) toasts.say(words);
    stars.refresh(before.keys());
  }
}
