// One finger past what is not zoomed: a film, and words in place of a picture.

const BEGIN_PX = 10;
const CONTROLS = 0.75; // of a film's height; its controls lie below, and winding is no swipe

// swipe: whether what is shown goes.
export function startSwipe(stage, swipe) {
  let start = null;
  const shown = () => stage.querySelector(".viewer-picture:not([hidden]), .viewer-words:not([hidden])");

  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || !event.isPrimary || event.target.closest("a, button") || isControl(event)) return;
    start = { id: event.pointerId, x: event.clientX, y: event.clientY, moved: false };
  });

  stage.addEventListener("pointermove", (event) => {
    if (event.pointerId !== start?.id) return;
    const right = event.clientX - start.x;
    const down = event.clientY - start.y;
    if (!start.moved && Math.hypot(right, down) < BEGIN_PX) return;
    start.moved = true;
    stage.setPointerCapture(event.pointerId);
    const sideways = Math.abs(right) > Math.abs(down);
    shown().style.transform = sideways ? `translateX(${right}px)` : `translateY(${Math.max(0, down)}px)`;
  });

  function lift(event) {
    if (event.pointerId !== start?.id) return;
    const { x, y, moved } = start;
    start = null;
    if (!moved || (event.type === "pointerup" && swipe(event.clientX - x, event.clientY - y))) return;
    shown().style.transform = "";
  }
  stage.addEventListener("pointerup", lift);
  stage.addEventListener("pointercancel", lift);
}

function isControl(event) {
  if (!event.target.matches("video")) return false;
  const { top, height } = event.target.getBoundingClientRect();
  return event.clientY > top + CONTROLS * height;
}
