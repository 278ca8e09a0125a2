// What was done, said at the edge of the page for a while, with a way to take it back.

import { gettext } from "./texts.js";

const UNDO = gettext("Undo");
const SHOWN_MS = 8000;
const LEFT_KEY = "lightkeep-said";
const MOST = 4; // said at a time; the oldest make room, but no errors

// To be said by the page that is loaded next.
export function leaveWords(words, operation = null) {
  sessionStorage.setItem(LEFT_KEY, JSON.stringify({ words, operation }));
}

export function takeLeftWords() {
  const left = JSON.parse(sessionStorage.getItem(LEFT_KEY) ?? "null");
  sessionStorage.removeItem(LEFT_KEY);
  return left;
}

export function startToasts() {
  const shown = []; // the newest last
  const dialog = document.querySelector("dialog[data-viewer]");

  // Only what lies in a modal dialog can be pressed while it is open.
  function placeNow() {
    return (dialog?.open && dialog.querySelector("[data-toasts]")) || document.querySelector(":not(dialog) > [data-toasts]");
  }

  function moveAll() {
    for (const { card } of shown) placeNow().append(card);
  }
  if (dialog) {
    dialog.addEventListener("close", moveAll);
    dialog.addEventListener("opened", moveAll);
  }

  // words: what happened. undo: takes it back, is offered under `action`. key: a newer toast of
  // the same key takes the place of an older one. details: nodes below the words.
  function say(words, { undo, action = UNDO, key, error = false, details } = {}) {
    const before = key && shown.find((toast) => toast.key === key);
    if (before) close(before);
    const toast = { key, undo, action, error, card: document.createElement("div") };
    toast.card.className = error ? "toast error" : "toast";
    const sentence = document.createElement("p");
    sentence.setAttribute("role", error ? "alert" : "status");
    toast.card.append(sentence);
    if (details) toast.card.append(details);
    if (undo) toast.card.append(button("toast-undo", action, () => take(toast)));
    toast.card.append(closer(() => close(toast)));
    toast.card.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close(toast);
    });
    toast.card.addEventListener("focusin", ({ relatedTarget }) => {
      if (relatedTarget && !relatedTarget.closest("[data-toasts]")) toast.from = relatedTarget;
    });
    for (const event of ["pointerenter", "focusin"]) toast.card.addEventListener(event, () => clearTimeout(toast.timer));
    for (const event of ["pointerleave", "focusout"]) toast.card.addEventListener(event, () => setTimeout(() => wait(toast)));
    shown.push(toast);
    placeNow().append(toast.card);
    // Words that come into a region that is there already are read aloud.
    requestAnimationFrame(() => (sentence.textContent = words));
    wait(toast);
    const old = shown.filter((one) => !one.error && one !== toast && !one.card.matches(":hover, :focus-within"));
    if (shown.length > MOST && old.length) close(old[0]);
    return () => close(toast);
  }

  function wait(toast) {
    clearTimeout(toast.timer);
    if (toast.error || !shown.includes(toast) || toast.card.matches(":hover, :focus-within")) return;
    toast.timer = setTimeout(() => close(toast), SHOWN_MS);
  }

  function close(toast) {
    if (!shown.includes(toast)) return;
    clearTimeout(toast.timer);
    shown.splice(shown.indexOf(toast), 1);
    const focused = toast.card.contains(document.activeElement);
    toast.card.remove();
    if (focused) giveFocusBack(toast);
  }

  function giveFocusBack(toast) {
    const next = shown.at(-1)?.card.querySelector("button");
    if (toast.from?.checkVisibility()) toast.from.focus({ preventScroll: true });
    else if (next) next.focus({ preventScroll: true });
    else document.dispatchEvent(new CustomEvent("focuslost"));
  }

  function take(toast) {
    close(toast);
    toast.undo();
  }

  document.addEventListener("keydown", (event) => {
    const keys = event.ctrlKey || event.metaKey ? event.key === "z" && !event.shiftKey : event.key === "u" && !event.altKey;
    if (!keys || event.target.closest?.("input:not([type=hidden]), select, textarea")) return;
    const last = shown.findLast((toast) => toast.undo && toast.action === UNDO);
    if (!last) return;
    event.preventDefault();
    take(last);
  });

  return { say };
}

function button(className, words, press) {
  const made = Object.assign(document.createElement("button"), { type: "button", className, textContent: words });
  made.addEventListener("click", press);
  return made;
}

function closer(press) {
  const made = button("toast-close", "", press);
  made.setAttribute("aria-label", gettext("Close"));
  return made;
}
