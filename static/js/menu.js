// The menu closes on Escape and on a click elsewhere; times are said as people say them.

import { gettext } from "./texts.js";

export function startMenu(menu) {
  const summary = menu.querySelector("summary");
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault(); // it closes the menu, and nothing behind it
    menu.open = false;
    summary.focus();
  });
  menu.addEventListener("toggle", () => {
    for (const time of menu.querySelectorAll("[data-ago]")) time.textContent = ago(new Date(time.dateTime));
  });
}

function ago(then) {
  const minutes = Math.round((Date.now() - then) / 60000);
  if (minutes < 1) return gettext("just now");
  if (minutes < 60) return gettext("{count} min ago", { count: minutes });
  if (minutes < 48 * 60) return gettext("{count} h ago", { count: Math.round(minutes / 60) });
  return gettext("{count} days ago", { count: Math.round(minutes / 1440) });
}
