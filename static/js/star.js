// The star: shown at once, written after, and put back with a word where it could not be.

import { fetchFragment, getText, post, sentenceOf } from "./api.js";
import { gettext, ngettext } from "./texts.js";

const FAVORITE = 5;
const MOST_SENDS = 3; // of one wish; a page that is behind needs a second
const SETTLE_MS = 350; // presses that follow each other are looked after together
const MOST_IDS = 200; // asked for at a time

export function startStars(toasts) {
  const works = new Map(); // photos with a wish that is not written yet
  const stale = new Set();
  const months = document.querySelector(".months");
  let timer = 0;

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-star], [data-rate] button, [data-keep] button");
    if (!button || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const form = button.closest("[data-rate], [data-keep]");
    if (button.dataset.star) toggle(button.dataset.star);
    else if (form.dataset.keep) wish(form.dataset.keep, { rating: Number(button.value), anyway: true });
    else rate(form.dataset.rate, Number(button.dataset.number));
  });
  months?.addEventListener("filled", ({ target }) => {
    for (const [id, work] of works) if (target.querySelector(`[data-star="${id}"]`)) show(id, work.shown);
  });

  function toggle(id) {
    wish(id, { favorite: ratingOf(id) !== FAVORITE });
  }

  // The rating that a photo has already is cleared by its own star.
  function rate(id, number) {
    wish(id, { rating: number === ratingOf(id) ? 0 : number });
  }

  function setRating(id, number) {
    wish(id, { rating: number });
  }

  function wish(id, wanted) {
    const rating = wanted.rating ?? (wanted.favorite ? FAVORITE : 0);
    const work = works.get(id);
    if (work) Object.assign(work, { wanted, shown: rating });
    else works.set(id, { wanted, shown: rating, known: ratingOf(id) });
    show(id, rating);
    if (!work) write(id);
  }

  // One request of a photo at a time; what was wished for meanwhile comes after, the last only.
  async function write(id) {
    const work = works.get(id);
    let edit = null;
    try {
      if (work.undo) work.known = (await post(`/api/edits/${work.undo}/undo`)).answer.rating ?? 0;
      let wanted = null;
      for (let sent = 0; sent < MOST_SENDS && (!isMet(work) || work.wanted?.anyway); sent++) {
        if (work.wanted !== wanted) sent = 0;
        wanted = work.wanted;
        const done = await post(`/api/photo/${id}/favorite`, bodyOf(wanted));
        work.known = done.answer.rating ?? 0;
        edit = done.edit ?? edit;
        Object.assign(wanted, { anyway: false, kept: wanted.anyway });
      }
      toasts.say(wordsOf(work), { undo: edit ? () => undo(id, edit) : undefined, key: `star-${id}` });
    } catch (error) {
      const what = work.undo && !work.wanted ? gettext("That could not be undone.") : gettext("{name} was not changed.", { name: nameOf(id) });
      const away = error.status ? "" : gettext("Nothing is lost; try again when it is back.");
      toasts.say([what, sentenceOf(error), away].filter(Boolean).join(" "), { error: true, key: `error-${id}` });
    } finally {
      works.delete(id);
      show(id, work.known);
      refresh([id]);
    }
  }

  function undo(id, edit) {
    if (works.has(id)) return; // a newer wish is on its way, and has an undo of its own
    const rating = ratingOf(id);
    works.set(id, { wanted: null, undo: edit, shown: rating, known: rating });
    write(id);
  }

  // -- what the page shows ---------------------------------------------------------------------

  function ratingOf(id) {
    if (works.has(id)) return works.get(id).shown;
    const star = document.querySelector(`dialog [data-star="${id}"]`) ?? document.querySelector(`[data-star="${id}"]`);
    return Number(star?.dataset.rating ?? 0);
  }

  function show(id, rating) {
    for (const star of document.querySelectorAll(`[data-star="${id}"]`)) {
      star.dataset.rating = rating;
      star.setAttribute("aria-pressed", String(rating === FAVORITE));
    }
    for (const form of document.querySelectorAll(`[data-rate="${id}"]`))
      for (const star of form.querySelectorAll("button")) {
        const number = Number(star.dataset.number);
        star.classList.toggle("lit", number <= rating);
        star.setAttribute("aria-pressed", String(number === rating));
      }
  }

  // Words, where a star is kept, and counts are the server's; pictures and focus stay.
  function refresh(ids) {
    for (const id of ids) stale.add(String(id));
    clearTimeout(timer);
    timer = setTimeout(() => bringUpToDate().catch(() => {}), SETTLE_MS);
  }

  async function bringUpToDate() {
    const ids = [...stale].filter((id) => !works.has(id));
    stale.clear();
    const page = document.querySelector(".viewer-page");
    if (page && ids.includes(page.dataset.photo)) await refreshPanel(page);
    if (!months) return;
    const here = ids.filter((id) => months.querySelector(`[data-star="${id}"]`));
    for (let from = 0; from < here.length; from += MOST_IDS) await refreshCells(here.slice(from, from + MOST_IDS));
    await refreshCounts();
  }

  async function refreshCells(ids) {
    const address = new URL("/cells", location.href);
    for (const [name, value] of new URLSearchParams(months.dataset.query ?? "")) address.searchParams.set(name, value);
    for (const id of ids) address.searchParams.append("id", id);
    const fresh = parse(await getText(address));
    for (const now of fresh.querySelectorAll("[data-star]")) {
      const id = now.dataset.star;
      const star = works.has(id) ? null : months.querySelector(`[data-star="${id}"]`);
      if (!star) continue;
      for (const name of ["aria-pressed", "data-rating", "title"]) star.setAttribute(name, now.getAttribute(name));
      const link = star.parentElement.querySelector("a");
      link.setAttribute("aria-label", now.parentElement.querySelector("a").getAttribute("aria-label"));
    }
  }

  async function refreshPanel(page) {
    const id = page.dataset.photo;
    const place = page.parentElement;
    const address = place.matches("dialog") ? location.href : new URL(`/photo/${id}${location.search}`, location.href);
    const fresh = parse(await fetchFragment(address)).querySelector(".viewer-page");
    if (!page.isConnected || fresh?.dataset.photo !== id || works.has(id)) return;
    const panel = page.querySelector(".viewer-panel");
    const focused = panel.contains(document.activeElement) ? (document.activeElement.dataset.number ?? "1") : null;
    const top = panel.scrollTop;
    // What the file says stays until it has been read again.
    const facts = panel.querySelector("[data-facts]");
    panel.replaceChildren(...fresh.querySelector(".viewer-panel").childNodes);
    if (facts) panel.querySelector("[data-facts]").replaceWith(facts);
    page.dispatchEvent(new CustomEvent("refreshed"));
    panel.scrollTop = top;
    if (focused) panel.querySelector(`[data-number="${focused}"]`)?.focus({ preventScroll: true });
    const [star, now] = [page, fresh].map((one) => one.querySelector(`[data-star="${id}"]`));
    for (const name of ["aria-pressed", "data-rating", "title"]) star.setAttribute(name, now.getAttribute(name));
  }

  // A page of one photo carries the counts of all.
  async function refreshCounts() {
    const month = months.querySelector(`.month:not([data-count="0"])`)?.id.slice(2);
    if (!month) return;
    const page = new DOMParser().parseFromString(await getText(`/months/${month}?limit=1`), "text/html");
    for (const now of page.querySelectorAll("[data-count-of]")) {
      const count = document.querySelector(`[data-count-of="${now.dataset.countOf}"]`);
      if (count) count.textContent = now.textContent;
      const form = count?.closest("[data-count-form]");
      if (form) form.hidden = now.closest("[data-count-form]").hidden;
    }
  }

  return { toggle, setRating, refresh };
}

function isMet({ wanted, known }) {
  if (!wanted) return true;
  return "rating" in wanted ? wanted.rating === known : wanted.favorite === (known === FAVORITE);
}

// Away from a favorite the server knows better than the page what was there before.
const bodyOf = (wanted) =>
  "rating" in wanted ? { rating: wanted.rating } : wanted.favorite ? { rating: FAVORITE } : undefined;

function wordsOf({ wanted, known }) {
  if (!wanted) return known === FAVORITE ? gettext("Undone: it is a favorite again") : gettext("Undone");
  if (wanted.kept) return gettext("Kept with the photo now");
  if (known === FAVORITE) return gettext("Added to favorites");
  if (!("rating" in wanted)) return known > 0 ? gettext("Removed from favorites, {stars} again", { stars: stars(known) }) : gettext("Removed from favorites");
  return known > 0 ? gettext("Rated {stars}", { stars: stars(known) }) : gettext("Rating cleared");
}

const stars = (count) => ngettext("{count} star", "{count} stars", count);

// A photo that the page does not show.
export const unnamed = (id) => gettext("Photo {id}", { id: String(id) });

export function nameOf(id) {
  const viewed = document.querySelector(`.viewer-page[data-photo="${id}"]`)?.dataset.name;
  const named = document.querySelector(`.cell [data-photo="${id}"] .cell-name`)?.firstChild.textContent;
  return viewed ?? named ?? unnamed(id);
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}
