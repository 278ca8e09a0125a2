// Where in time the page is, and a way to any month: years and months at the edge. A phone has a
// handle there while the page moves, and a list.

import { sectionAt } from "./place.js";
import { gettext } from "./texts.js";

const LONG_SCREENS = 6;
const SCROLLED_SCREENS = 3; // a page of fewer needs no handle
const STAYS_MS = 900; // the month's name, after the page stands still
const TICK_PX = 3; // marks of months stand no closer

export function startScrubber(scrubber, select, { months }) {
  const sections = [...months.querySelectorAll(".month")];
  if (!sections.length) return;
  const title = document.querySelector("[data-month-title]");
  const phone = matchMedia("(max-width: 640px)");
  let frame = 0;

  function follow() {
    frame = 0;
    const section = sectionAt(sections, 90);
    if (title) title.textContent = phone.matches ? section.dataset.title : "Lightkeep";
    scrubber?.dispatchEvent(new CustomEvent("at", { detail: section }));
  }

  addEventListener("scroll", () => (frame ||= requestAnimationFrame(follow)), { passive: true });
  addEventListener("resize", () => (frame ||= requestAnimationFrame(follow)));

  if (select) {
    select.hidden = false;
    select.addEventListener("change", () => {
      jump(document.getElementById(select.value));
      select.value = "";
    });
  }
  for (const link of document.querySelectorAll("[data-jump-link]"))
    link.addEventListener("click", (event) => {
      const section = document.getElementById(link.dataset.jumpLink);
      if (!section) return;
      event.preventDefault();
      link.closest("details").open = false;
      jump(section);
    });
  if (scrubber) startSlider(scrubber, months);
  follow();
}

function jump(section) {
  if (!section) return;
  history.replaceState(history.state, "", `#${section.id}`);
  section.scrollIntoView();
}

// Each year has an equal part of the bar; inside it the months' own heights say where.
function startSlider(scrubber, months) {
  const links = [...scrubber.querySelectorAll("a")];
  const here = scrubber.querySelector("[data-here]");
  const bubble = scrubber.querySelector("[data-bubble]");
  const sections = [...months.querySelectorAll(".month")];
  const years = links.map((link) => ({
    link,
    first: document.getElementById(link.dataset.first),
    last: document.getElementById(link.dataset.last),
  }));
  let dragging = false;
  let scrubbing = false;
  let downY = 0;
  let hideTimer = 0;

  const toSection = (year) => sections.slice(sections.indexOf(year.first), sections.indexOf(year.last) + 1);
  const span = (year) => {
    const top = year.first.offsetTop;
    return { top, height: year.last.offsetTop + year.last.offsetHeight - top };
  };

  scrubber.setAttribute("role", "group");
  const slider = document.createElement("div");
  Object.entries({
    role: "slider",
    tabindex: "0",
    "aria-label": gettext("Month"),
    "aria-orientation": "vertical",
    "aria-valuemin": "1",
    "aria-valuemax": String(sections.length),
  }).forEach(([name, value]) => slider.setAttribute(name, value));
  slider.className = "scrubber-here";
  here.replaceWith(slider);

  const ticks = document.createElement("div");
  ticks.className = "scrubber-ticks";
  scrubber.prepend(ticks);

  function draw() {
    scrubber.classList.toggle("dense", scrubber.clientHeight / links.length < 17);
    const marks = [];
    let last = -TICK_PX;
    for (const year of years)
      for (const section of toSection(year)) {
        const y = placeOf(section.offsetTop, year);
        if (y - last < TICK_PX) continue;
        last = y;
        const mark = document.createElement("i");
        mark.style.top = `${y}px`;
        mark.classList.toggle("year", section === year.first);
        marks.push(mark);
      }
    ticks.replaceChildren(...marks);
  }

  // Where on the bar the page's `top` is, which lies in this year.
  function placeOf(top, year) {
    const { top: first, height } = span(year);
    const part = Math.min(1, Math.max(0, (top - first) / height));
    const item = year.link.parentElement;
    return item.offsetTop + 9 + part * Math.max(0, item.offsetHeight - 1);
  }
  draw();
  let drawing = 0;
  addEventListener("resize", () => (drawing ||= requestAnimationFrame(() => ((drawing = 0), draw()))));

  function show(section, y) {
    slider.setAttribute("aria-valuenow", String(sections.indexOf(section) + 1));
    slider.setAttribute("aria-valuetext", section.dataset.title);
    // By transform: moving its place would lay the page out again with every scroll.
    slider.style.transform = `translateY(${y}px)`;
    bubble.style.transform = `translateY(calc(${y}px - 50%))`;
    bubble.textContent = section.dataset.title;
  }

  function flash() {
    bubble.hidden = false;
    scrubber.classList.toggle("moving", document.documentElement.scrollHeight > SCROLLED_SCREENS * innerHeight);
    clearTimeout(hideTimer);
    if (dragging) return;
    hideTimer = setTimeout(() => {
      bubble.hidden = true;
      scrubber.classList.remove("moving");
    }, STAYS_MS);
  }

  let moved = false;
  scrubber.addEventListener("at", ({ detail: section }) => {
    const year = years.find(({ first, last }) => section.offsetTop >= first.offsetTop && section.offsetTop <= last.offsetTop);
    if (!year) return;
    show(section, placeOf(scrollY + 60, year));
    if (moved) flash();
    moved = true;
  });

  function scrubTo(clientY) {
    const y = clientY - scrubber.getBoundingClientRect().top;
    const year = years.findLast(({ link }) => link.parentElement.offsetTop <= y) ?? years[0];
    const item = year.link.parentElement;
    const part = Math.min(1, Math.max(0, (y - item.offsetTop) / item.offsetHeight));
    const list = toSection(year);
    const { top, height } = span(year);
    const target = list.findLast((section) => section.offsetTop <= top + part * height) ?? list[0];
    // Months snap, but one that is many screens high is gone through.
    const long = target.offsetHeight > LONG_SCREENS * innerHeight;
    scrollTo({ top: (long ? top + part * height : target.offsetTop) - 56, behavior: "instant" });
  }

  scrubber.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    dragging = true;
    scrubbing = false;
    downY = event.clientY;
    scrubber.setPointerCapture(event.pointerId);
    const year = years.find(({ link }) => link === event.target);
    if (year) jump(year.first);
    else scrubTo(event.clientY);
  });
  scrubber.addEventListener("pointermove", (event) => {
    if (!dragging) return;
    // A hand that clicks trembles: a drag begins a few pixels on.
    scrubbing ||= Math.abs(event.clientY - downY) > 4;
    if (scrubbing) scrubTo(event.clientY);
  });
  const end = () => {
    dragging = false;
    flash();
  };
  scrubber.addEventListener("pointerup", end);
  scrubber.addEventListener("pointercancel", end);
  scrubber.addEventListener("click", (event) => event.detail && event.preventDefault());
  slider.addEventListener("keydown", (event) => {
    const at = Number(slider.getAttribute("aria-valuenow")) - 1;
    const target = { ArrowUp: at - 1, ArrowLeft: at - 1, ArrowDown: at + 1, ArrowRight: at + 1, PageUp: at - 12, PageDown: at + 12, Home: 0, End: sections.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    sections[Math.min(sections.length - 1, Math.max(0, target))].scrollIntoView();
  });
}
