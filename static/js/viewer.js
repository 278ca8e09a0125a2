// The viewer: the page of a photo in a dialog over the grid, with a way on and back.

import { fetchFragment } from "./api.js";
import { startFacts } from "./facts.js";
import { reloadInPlace } from "./place.js";
import { startSwipe } from "./swipe.js";
import { startZoom } from "./zoom.js";

const SWIPE_PX = 60;
const PANEL_KEY = "lightkeep-panel-closed";

export function startViewer(dialog, sections, stars) {
  let opener = null;

  document.addEventListener("click", (event) => {
    const cell = event.target.closest?.(".cell a");
    if (!cell || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opener = cell;
    history.pushState({ viewer: true }, "", cell.href);
    open(cell.href, cell.querySelector("img"));
  });

  addEventListener("popstate", () => {
    if (location.pathname.startsWith("/photo/")) open(location.href);
    else if (dialog.open) dialog.close();
  });
  let leaving = false;
  function leave() {
    // A second Escape before the first has closed the viewer would leave the grid as well.
    if (leaving) return;
    leaving = true;
    history.back();
  }
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  let stale = false; // the grid behind no longer shows what there is
  dialog.addEventListener("close", async () => {
    leaving = false;
    if (stale) return reloadInPlace();
    for (const film of dialog.querySelectorAll("video")) film.pause(); // the cell may take a while
    const page = dialog.querySelector("[data-photo]");
    const cell = page && (await sections.findCell(page.dataset.photo, page.dataset.month));
    if (dialog.open) return; // opened again while the block of the last photo was filled
    fill(dialog);
    const back = cell ?? (opener?.isConnected ? opener : null);
    back?.scrollIntoView({ block: "nearest" });
    back?.focus({ preventScroll: true });
  });

  const pages = startPages(dialog, stars, (url) => {
    history.replaceState({ viewer: true }, "", url);
    open(url);
  }, leave);

  async function open(url, thumbnail) {
    if (!dialog.open) {
      dialog.showModal();
      dialog.dispatchEvent(new Event("opened"));
    }
    await pages.load(url, thumbnail);
  }

  // The photo anew, after its file was changed; and, once it is closed, the grid.
  function refresh() {
    stale = true;
    return open(location.href);
  }

  return { isOpen: () => dialog.open, refresh };
}

export function startViewerPage(place, stars) {
  startPages(place, stars, (url) => location.assign(url), () => place.querySelector("[data-close]").click()).adopt();
}

// What is said at the edge stays when the photo changes.
function fill(place, ...nodes) {
  for (const child of [...place.children]) if (!child.matches("[data-toasts]")) child.remove();
  place.prepend(...nodes);
}

function startPages(place, stars, go, leave) {
  let loading = null;
  let askFacts = () => {};
  const ahead = new Map(); // address -> a picture that is decoded before anybody asks for it

  async function load(url, thumbnail) {
    loading?.abort();
    loading = new AbortController();
    try {
      const page = document.createElement("template");
      page.innerHTML = await fetchFragment(url, loading.signal);
      const before = place.querySelector(".viewer-before, [data-picture], [data-film]");
      fill(place, page.content);
      standIn(before);
    } catch (error) {
      if (error.name === "AbortError") return;
      const words = document.createElement("p");
      words.className = "viewer-words";
      words.textContent = error.message;
      fill(place, words);
      return;
    }
    adopt(thumbnail);
  }

  // What was seen stays until the next picture can be drawn: never a dark moment in between.
  function standIn(before) {
    const next = place.querySelector("[data-picture], [data-film]");
    if (!next || !(before?.naturalWidth || before?.videoWidth)) return;
    for (const name of ["data-picture", "data-film", "controls", "alt"]) before.removeAttribute(name);
    before.classList.add("viewer-before", "fit");
    before.setAttribute("aria-hidden", "true");
    before.pause?.();
    next.before(before);
    next.classList.add("coming");
    const picture = next.matches("img") ? next : Object.assign(new Image(), { src: next.poster });
    const show = () => {
      if (!next.isConnected) return; // somebody walked on, and it stands in for another one
      before.remove();
      next.classList.remove("coming");
    };
    picture.decode().then(show, show);
  }

  // The neighbors, once the picture itself is there.
  function lookAhead(picture) {
    const wanted = [...place.querySelectorAll("[data-ahead]")].map((link) => new URL(link.dataset.ahead, location.href).href);
    const begin = () => {
      for (const address of ahead.keys()) if (!wanted.includes(address)) ahead.delete(address);
      for (const address of wanted) {
        if (ahead.has(address)) continue;
        const image = Object.assign(new Image(), { src: address });
        ahead.set(address, image);
        image.decode().catch(() => ahead.delete(address));
      }
    };
    if (!picture || picture.complete) begin();
    else for (const end of ["load", "error"]) picture.addEventListener(end, begin, { once: true });
  }

  function adopt(thumbnail) {
    place.classList.toggle("panel-closed", isPanelClosed());
    const stage = place.querySelector("[data-stage]");
    const picture = place.querySelector("[data-picture]");
    const toggle = place.querySelector("[data-panel-toggle]");
    toggle.hidden = false;
    toggle.addEventListener("click", togglePanel);
    place.querySelector("[data-close]").addEventListener("click", (event) => {
      if (!place.matches("dialog")) return;
      event.preventDefault();
      leave();
    });
    for (const name of ["previous", "next"])
      place.querySelector(`[data-${name}]`)?.addEventListener("click", (event) => {
        event.preventDefault();
        step(name);
      });
    if (place.matches("dialog")) place.querySelector("[data-photo]").focus({ preventScroll: true });
    adoptFilm(stage);
    askFacts = startFacts(place.querySelector(".viewer-page"), () => !place.classList.contains("panel-closed"));
    if (place.matches("dialog")) lookAhead(picture);
    if (!picture) return startSwipe(stage, swipe);
    picture.classList.add("fit");
    // The small picture is there already: it stands in until the large one has come.
    if (thumbnail?.naturalWidth && Math.abs(ratio(thumbnail) - picture.getAttribute("width") / picture.getAttribute("height")) < 0.02)
      picture.style.backgroundImage = `url("${thumbnail.currentSrc}")`;
    picture.addEventListener("load", () => (picture.style.backgroundImage = ""), { once: true });
    picture.addEventListener("error", () => giveWay(picture));
    if (picture.complete && !picture.naturalWidth) giveWay(picture); // it failed before this ran
    const zoom = startZoom(stage, picture, { swipe, onDeep: showOriginal, hold: holder(stage) });
    place.querySelector("[data-original]")?.addEventListener("click", (event) => {
      event.preventDefault();
      showOriginal();
      zoom.toNatural(Number(picture.getAttribute("width")));
    });
  }

  function giveWay(shown) {
    if (!place.contains(shown) || shown.matches(".viewer-before")) return; // somebody walked on
    shown.hidden = true;
    place.querySelector("[data-failed]").hidden = false;
  }

  // A film that the browser does not play gives way to words; a Live Photo's plays in its place.
  function adoptFilm(stage) {
    const film = place.querySelector("[data-film]");
    film?.querySelector("source").addEventListener("error", () => giveWay(film));
    // On a page of its own it may have failed before this ran; in the dialog it has not begun yet.
    setTimeout(() => film?.networkState === HTMLMediaElement.NETWORK_NO_SOURCE && giveWay(film));
    place.querySelector("[data-live]")?.addEventListener("click", (event) => {
      event.preventDefault();
      playLive(stage, event.currentTarget);
    });
  }

  function playLive(stage, link) {
    if (stage.querySelector(".viewer-live")) return () => {};
    const live = Object.assign(document.createElement("video"), {
      className: "viewer-live",
      src: link.dataset.live,
      playsInline: true,
    });
    live.addEventListener("error", () => go(link.href)); // its own page says what to do
    for (const end of ["ended", "click"]) live.addEventListener(end, () => live.remove());
    stage.append(live);
    // A finger that has not yet left the page may not begin a sound.
    live.play().catch(() => {
      live.muted = true;
      live.play().catch(() => {});
    });
    return () => live.remove();
  }

  // A Live Photo plays for as long as its picture is pressed.
  function holder(stage) {
    const link = place.querySelector("[data-live]");
    return link && (() => playLive(stage, link));
  }

  const ratio = (image) => image.naturalWidth / image.naturalHeight;

  function showOriginal() {
    const link = place.querySelector("[data-original]");
    const picture = place.querySelector("[data-picture]");
    if (!link || !picture || picture.dataset.original) return;
    picture.dataset.original = "1";
    const original = new Image();
    original.src = link.href;
    original.decode().then(
      () => (picture.src = original.src),
      () => delete picture.dataset.original,
    );
  }

  // Whether the picture goes.
  function swipe(x, y) {
    if (Math.abs(x) > Math.abs(y)) return Math.abs(x) > SWIPE_PX && step(x < 0 ? "next" : "previous");
    if (y <= SWIPE_PX) return false;
    leave();
    return true;
  }

  function step(name) {
    const link = place.querySelector(`[data-${name}]`);
    if (link) go(link.href);
    return Boolean(link);
  }

  function togglePanel() {
    const closed = !place.classList.contains("panel-closed");
    place.classList.toggle("panel-closed", closed);
    sessionStorage.setItem(PANEL_KEY, closed ? "1" : "0");
    askFacts();
  }

  document.addEventListener("keydown", (event) => {
    const active = place.matches("dialog") ? place.open : true;
    if (!active || event.ctrlKey || event.metaKey || event.altKey) return;
    // A film that has the focus takes the arrows itself: they wind it and set its loudness.
    if (event.key.startsWith("Arrow") && event.target.closest?.("video")) return;
    const photo = place.querySelector(".viewer-page")?.dataset.photo;
    if (event.key === "ArrowRight") step("next");
    else if (event.key === "ArrowLeft") step("previous");
    else if (event.key === "i") togglePanel();
    else if (event.key === "f" && photo) stars.toggle(photo);
    else if (/^[0-5]$/.test(event.key) && photo) stars.setRating(photo, Number(event.key));
    else if (event.key === "Escape" && !place.matches("dialog")) leave();
    else return;
    event.preventDefault();
  });

  return { load, adopt };
}

// Open beside the picture on a wide screen, closed on a phone, until the person says.
function isPanelClosed() {
  const said = sessionStorage.getItem(PANEL_KEY);
  return said === null ? matchMedia("(max-width: 640px)").matches : said === "1";
}
