// The way between all photos and the favorites, and to the same page after a deed: the photo, or
// the month, that was looked at stands at the same height.

const KEY = "lightkeep-place";
const LINE = 90; // below the bar at the top

export function startPlace({ months, findCell }) {
  const sections = [...months.querySelectorAll(".month")];
  if (!sections.length) return;

  for (const link of document.querySelectorAll("[data-keep-place]"))
    link.addEventListener("click", () => {
      const section = sectionAt(sections, LINE);
      if (!section.id || scrollY < 1) return sessionStorage.removeItem(KEY);
      const to = new URL(link.href);
      // A library that shows a decade at a time has to know which.
      if (document.querySelector(".decades")) to.searchParams.set("month", section.id.slice(2));
      to.hash = section.id;
      link.href = to;
      sessionStorage.setItem(KEY, JSON.stringify({ to: to.hash, ...anchorOf(section) }));
    });

  restore();

  async function restore() {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    sessionStorage.removeItem(KEY);
    history.scrollRestoration = "auto";
    const asked = location.hash.match(/^#m-([0-9]{4}-[0-9]{2}|undated)$/)?.[1];
    if (!asked) return;
    const exact = document.getElementById(`m-${asked}`);
    const section = exact ?? nearest(asked);
    if (!exact) {
      history.replaceState(history.state, "", `#${section.id}`);
      section.scrollIntoView({ behavior: "instant" });
    }
    if (!exact || kept?.to !== `#m-${asked}` || !kept.photo) return;
    const at = scrollY;
    const cell = await findCell(kept.photo, asked);
    // Who has scrolled meanwhile is where he wants to be.
    if (cell && Math.abs(scrollY - at) < 2) scrollBy({ top: cell.getBoundingClientRect().top - kept.top, behavior: "instant" });
  }

  // The first favorite that is seen of that month: it is on both pages.
  function anchorOf(section) {
    const top = (star) => star.parentElement.getBoundingClientRect().top;
    const stars = [...section.querySelectorAll('[data-star][aria-pressed="true"]')];
    const star = stars.find((one) => top(one) > 40 && top(one) < innerHeight);
    return star ? { photo: star.dataset.star, top: top(star) } : {};
  }

  function nearest(key) {
    if (key === "undated") return sections.at(-1);
    const away = (section) => {
      const other = section.id.slice(2);
      return other === "undated" ? Infinity : Math.abs(monthNumber(other) - monthNumber(key));
    };
    return sections.reduce((best, section) => (away(section) < away(best) ? section : best));
  }
}

// Loads the page anew, with the first photo that is seen and is not of `moved` at its height.
export function reloadInPlace(moved = new Set()) {
  const top = (cell) => cell.getBoundingClientRect().top;
  const sections = [...document.querySelectorAll(".month")];
  if (scrollY < 1 || !sections.length) {
    history.replaceState(history.state, "", location.pathname + location.search);
  } else {
    const cells = [...document.querySelectorAll(".cell a[data-photo]")];
    const cell = cells.find((one) => top(one) > 40 && top(one) < innerHeight && !moved.has(one.dataset.photo));
    const section = cell?.closest(".month") ?? sectionAt(sections, LINE);
    const to = `#${section.id}`;
    history.replaceState(history.state, "", to);
    history.scrollRestoration = "manual";
    sessionStorage.setItem(KEY, JSON.stringify({ to, ...(cell && { photo: cell.dataset.photo, top: top(cell) }) }));
  }
  location.reload();
}

const monthNumber = (key) => Number(key.slice(0, 4)) * 12 + Number(key.slice(5));

// The section that is at this height of the screen; they stand in page order.
export function sectionAt(sections, line) {
  let low = 0;
  let high = sections.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sections[middle].getBoundingClientRect().top <= line) low = middle;
    else high = middle - 1;
  }
  return sections[low];
}
