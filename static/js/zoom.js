// Zoom by pinch, wheel, double tap and double click; drag while zoomed, swipe while not. A press
// that lasts holds, where there is something to hold.

const MOST = 8;
const DEEP = 1.6; // from here on the original is worth loading

const HOLD_MS = 350;

// swipe: whether the picture goes. hold: begins what lasts for as long as the press, and gives its end.
export function startZoom(stage, picture, { swipe, onDeep, hold }) {
  const pointers = new Map();
  let scale = 1;
  let x = 0;
  let y = 0;
  let start = null;
  let lastTap = 0;
  let holdTimer = 0;
  let release = null;

  function apply() {
    const width = stage.clientWidth;
    const height = stage.clientHeight;
    x = Math.min(0, Math.max(width - width * scale, x));
    y = Math.min(0, Math.max(height - height * scale, y));
    picture.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
    picture.classList.toggle("zoomed", scale > 1);
    if (scale >= DEEP) onDeep();
  }

  function zoomAt(clientX, clientY, wanted) {
    const box = stage.getBoundingClientRect();
    const next = Math.min(MOST, Math.max(1, wanted));
    const factor = next / scale;
    x = clientX - box.left - (clientX - box.left - x) * factor;
    y = clientY - box.top - (clientY - box.top - y) * factor;
    scale = next;
    apply();
  }

  const middle = () => {
    const points = [...pointers.values()];
    const [a, b] = points.length > 1 ? points : [points[0], points[0]];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, gap: Math.hypot(a.x - b.x, a.y - b.y) };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("a, button, video")) return;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
    start = { ...middle(), scale, at: { x, y }, moved: false, pinched: pointers.size > 1 };
    clearTimeout(holdTimer);
    if (hold && pointers.size === 1) holdTimer = setTimeout(() => (release = hold()), HOLD_MS);
  });
  stage.addEventListener("contextmenu", (event) => {
    if (hold && event.pointerType === "touch") event.preventDefault();
  });

  stage.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const now = middle();
    start.moved ||= Math.hypot(now.x - start.x, now.y - start.y) > 8;
    if (start.moved || pointers.size > 1) clearTimeout(holdTimer);
    if (release) return;
    if (pointers.size > 1) zoomAt(now.x, now.y, (start.scale * now.gap) / Math.max(1, start.gap));
    else if (scale > 1) {
      x = start.at.x + now.x - start.x;
      y = start.at.y + now.y - start.y;
      apply();
    } else if (start.moved && !start.pinched) follow(now.x - start.x, now.y - start.y);
  });

  // The picture goes with the finger: to a side, or down.
  function follow(right, down) {
    const sideways = Math.abs(right) > Math.abs(down);
    picture.style.transform = sideways ? `translateX(${right}px)` : `translateY(${Math.max(0, down)}px)`;
  }

  function lift(event) {
    if (!pointers.delete(event.pointerId)) return;
    clearTimeout(holdTimer);
    if (release) {
      release();
      release = null;
      return;
    }
    if (pointers.size) {
      start = { ...middle(), scale, at: { x, y }, moved: true, pinched: true };
      return;
    }
    const isSwipe = start.moved && scale === 1 && !start.pinched;
    if (event.type !== "pointercancel") {
      if (!start.moved && !start.pinched) tap(event);
      else if (isSwipe && swipe(event.clientX - start.x, event.clientY - start.y)) return;
    }
    if (isSwipe) apply();
  }
  stage.addEventListener("pointerup", lift);
  stage.addEventListener("pointercancel", lift);

  function tap(event) {
    const twice = event.timeStamp - lastTap < 320;
    lastTap = twice ? 0 : event.timeStamp;
    if (twice) zoomAt(event.clientX, event.clientY, scale > 1 ? 1 : 2.5);
  }

  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoomAt(event.clientX, event.clientY, scale * Math.exp(-event.deltaY / 300));
    },
    { passive: false },
  );

  // One pixel of the original on one of the screen, about the middle.
  function toNatural(width) {
    const box = stage.getBoundingClientRect();
    const shown = Math.min(box.width, (box.height * picture.naturalWidth) / Math.max(1, picture.naturalHeight));
    zoomAt(box.left + box.width / 2, box.top + box.height / 2, Math.max(1, width / shown / devicePixelRatio));
  }

  return { toNatural };
}
