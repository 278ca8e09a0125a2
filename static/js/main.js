import { startCells } from "./cells.js";
import { startDates } from "./dates.js";
import { startFilters } from "./filters.js";
import { startMenu } from "./menu.js";
import { startMonths } from "./months.js";
import { outcomeOf, startOperations } from "./operations.js";
import { startPlace } from "./place.js";
import { startRefresh } from "./refresh.js";
import { startResume } from "./resume.js";
import { startScrubber } from "./scrubber.js";
import { startSections } from "./sections.js";
import { startSelection } from "./selection.js";
import { startStars } from "./star.js";
import { startTimes } from "./times.js";
import { startToasts } from "./toasts.js";
import { startTrash } from "./trash.js";
import { followPlan, startImport, startUpload } from "./upload.js";
import { startViewer, startViewerPage } from "./viewer.js";

document.documentElement.classList.add("scripted");

const find = (selector) => document.querySelector(selector);

startTimes();
if (find("[data-menu]")) startMenu(find("[data-menu]"));
startFilters(find("[data-filters]"), find("[data-filters-link]"), find("[data-search]"));
const operations = find("[data-operations]") && startOperations(find("[data-operations]"));
const toasts = find("[data-toasts]") && startToasts();
const stars = toasts && startStars(toasts);
const watch = operations?.watch ?? outcomeOf;
const page = toasts && startRefresh({ toasts, watch });
const dates = find("[data-dates]") && startDates(find("[data-dates]"), { toasts, watch, ...page });
if (find(".months")) {
  const sections = startSections(find(".months"));
  const cells = startCells(find(".months"), sections);
  const trash = startTrash({ toasts, watch, sections, stars, refresh: startMonths(sections) });
  startSelection(find("[data-selection]"), sections, { cells, stars, dates, trash, toasts, operations });
  page.follow(startViewer(find("[data-viewer]"), sections, stars));
  startPlace(sections);
  startScrubber(find("[data-scrubber]"), find("[data-jump]"), sections);
}
if (toasts && find("[data-import]")) startImport(document.querySelectorAll("[data-import]"), toasts);
if (find("[data-upload]")) startUpload(find("[data-upload]"));
if (find("main > [data-planning]")) followPlan(find("main > [data-planning]").parentElement).catch(() => location.reload());
if (find("[data-resume]")) startResume(find("[data-resume]"));
if (find("[data-viewer-page]")) {
  startViewerPage(find("[data-viewer-page]"), stars);
  startTrash({ toasts, watch });
}
