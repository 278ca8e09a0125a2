// What the file of a photo says, fetched when somebody looks at it; and its path to copy.

import { fetchFragment } from "./api.js";
import { gettext } from "./texts.js";
import { tellTimes } from "./times.js";

const SETTLE_MS = 250; // who walks on at once has no file read

// Fills the panel of the page of a photo; again and again, and reads it once.
export function startFacts(page, isSeen) {
  const place = page.querySelector("[data-facts]");
  const link = place?.querySelector("[data-facts-link]");
  if (!link) return () => {};
  let timer = 0;
  let begun = false;

  async function fill() {
    if (begun || !page.isConnected || !isSeen()) return;
    begun = true;
    try {
      const part = await fetchFragment(link.href);
      const wasOpen = place.querySelector("details")?.open ?? false;
      place.innerHTML = part;
      if (wasOpen) place.querySelector("details")?.setAttribute("open", "");
      tellTimes(place);
      adoptPath(place);
    } catch (error) {
      const words = document.createElement("p");
      words.className = "quiet";
      words.textContent = error.message;
      place.append(words);
    }
  }

  const ask = () => {
    clearTimeout(timer);
    timer = setTimeout(fill, SETTLE_MS);
  };
  page.addEventListener("refreshed", () => {
    begun = false;
    ask();
  });
  ask();
  return ask;
}

// On plain http a browser has no clipboard for pages: the path is marked then, for Ctrl+C.
export function adoptPath(place) {
  const path = place.querySelector("[data-path]");
  const said = place.querySelector("[data-copied]");
  place.querySelector("[data-copy-path]")?.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(path.textContent);
      said.textContent = gettext("Copied.");
    } catch {
      getSelection().selectAllChildren(path);
      said.textContent = gettext("The path is selected: press Ctrl+C to copy it.");
    }
  });
}
