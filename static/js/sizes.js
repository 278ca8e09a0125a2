// How large the cells are: three steps, by the menu or the keys + and -. A cookie keeps it, so that
// the server draws the page right at once.

import { reloadInPlace } from "./place.js";

const SIZES = ["small", "medium", "large"];
const YEAR_S = 31_536_000;

export function startSizes(control, months, place) {
  control.hidden = false;
  const split = (months.dataset.split ?? "").split(" ");

  function show() {
    for (const button of control.querySelectorAll("[data-size]"))
      button.setAttribute("aria-pressed", String(button.dataset.size === months.dataset.cells));
  }

  function choose(size) {
    const before = months.dataset.cells;
    if (!size || size === before) return;
    document.cookie = `lightkeep_cells=${size}; path=/; max-age=${YEAR_S}; samesite=lax`;
    // One of them shows a decade at a time, the other all photos.
    if (split.includes(size) !== split.includes(before)) return reloadInPlace(new Set(), { named: true });
    place.keep(() => (months.dataset.cells = size));
    show();
  }

  control.addEventListener("click", (event) => choose(event.target.closest("[data-size]")?.dataset.size));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog:modal") || event.target.closest?.("input, select, textarea")) return;
    const step = { "+": 1, "=": 1, "-": -1, _: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(SIZES[SIZES.indexOf(months.dataset.cells) + step]);
  });
  show();
}
