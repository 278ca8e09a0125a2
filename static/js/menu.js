// The menu closes on Escape and on a click elsewhere; times are said as people say them.

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
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h ago`;
  return `${Math.round(minutes / 1440)} days ago`;
}
