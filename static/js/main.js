import { startCells } from "./cells.js";
import { startMenu } from "./menu.js";
import { startOperations } from "./operations.js";
import { startResume } from "./resume.js";
import { startScrubber } from "./scrubber.js";
import { startSections } from "./sections.js";
import { startTimes } from "./times.js";
import { startTrash } from "./trash.js";
import { startViewer, startViewerPage } from "./viewer.js";

document.documentElement.classList.add("scripted");

const find = (selector) => document.querySelector(selector);

startTimes();
if (find("[data-menu]")) startMenu(find("[data-menu]"));
if (find("[data-operations]")) startOperations(find("[data-operations]"));
if (find(".months")) {
  const sections = startSections(find(".months"));
  startCells(find(".months"), sections);
  if (find("[data-viewer]")) startViewer(find("[data-viewer]"), sections);
  startTrash(sections);
  startScrubber(find("[data-scrubber]"), find("[data-jump]"), sections);
}
if (find("[data-resume]")) startResume(find("[data-resume]"));
if (find("[data-viewer-page]")) {
  startViewerPage(find("[data-viewer-page]"));
  startTrash(null);
}
