// A long touch, and what the finger does before it leaves: at the upper and lower edge of the
// screen the page goes on under it.

import { cellOf } from "./cells.js";

const LONG_PRESS_MS = 450;
const TREMBLE_PX = 10;
const EDGE_PX = 96;
const TOP_PX = 56; // the bar
const FASTEST_PX = 22; // a frame

// begin(cell) after a long touch, reach(cell) for each other cell that the finger comes to.
export function startPress(months, { begin, reach }) {
  const press = { timer: 0, fired: false, x: 0, y: 0, cell: null, frame: 0 };

  months.addEventListener("pointerdown", (event) => {
    press.fired = false;
    clearTimeout(press.timer);
    const cell = event.pointerType === "touch" && event.isPrimary ? cellOf(event.target) : null;
    if (!cell) return;
    Object.assign(press, { x: event.clientX, y: event.clientY, cell });
    press.timer = setTimeout(() => {
      press.fired = true;
      navigator.vibrate?.(12);
      begin(cell);
      press.frame = requestAnimationFrame(follow);
    }, LONG_PRESS_MS);
  });
  months.addEventListener("pointermove", (event) => {
    if (!press.fired && Math.hypot(event.clientX - press.x, event.clientY - press.y) > TREMBLE_PX) clearTimeout(press.timer);
  });
  // Not passive: after a long touch the finger chooses, and the page does not scroll with it.
  months.addEventListener(
    "touchmove",
    (event) => {
      if (!press.frame) return;
      if (event.cancelable) event.preventDefault();
      Object.assign(press, { x: event.touches[0].clientX, y: event.touches[0].clientY });
    },
    { passive: false },
  );
  const end = () => {
    clearTimeout(press.timer);
    cancelAnimationFrame(press.frame);
    press.frame = 0;
  };
  for (const name of ["pointerup", "pointercancel", "touchend", "touchcancel"]) months.addEventListener(name, end);
  months.addEventListener("contextmenu", (event) => {
    if (event.pointerType === "touch" && cellOf(event.target)) event.preventDefault();
  });
  months.addEventListener("dragstart", (event) => press.fired && event.preventDefault());

  function follow() {
    const step = speedAt(press.y);
    if (step) scrollBy({ top: step, behavior: "instant" });
    const y = Math.min(innerHeight - 2, Math.max(TOP_PX + 2, press.y));
    const under = document.elementsFromPoint(press.x, y).find((node) => months.contains(node) && cellOf(node));
    const cell = under && cellOf(under);
    if (cell && cell !== press.cell) {
      press.cell = cell;
      reach(cell);
    }
    press.frame = requestAnimationFrame(follow);
  }

  // The press that has just ended was a long one: what comes as its click is none.
  function takeFired() {
    const was = press.fired;
    press.fired = false;
    return was;
  }

  return { takeFired };
}

// The nearer to the edge, the faster.
function speedAt(y) {
  const above = TOP_PX + EDGE_PX - y;
  const below = y - (innerHeight - EDGE_PX);
  const share = Math.min(1, Math.max(above, below) / EDGE_PX);
  return share > 0 ? Math.sign(below - above) * Math.ceil(share * FASTEST_PX) : 0;
}
