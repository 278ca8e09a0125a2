// Photos out of the grid into the trash, with a way back for as long as the words about it stand.

import { getJson, postJson } from "./api.js";

const ASK_EVERY_MS = 150;
const SHOWN_MS = 8000;
let endShown = () => {};
const ACTIVE = ["pending", "running"];

// The button of the viewer and the key Delete; `sections` is null on the page of one photo.
export function startTrash(sections) {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.("form[data-trash]");
    if (!form) return;
    event.preventDefault();
    leave(form, sections);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Delete" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const form = document.querySelector("dialog[open] form[data-trash], [data-viewer-page] form[data-trash]");
    if (!form || event.target.closest?.("input, textarea, select")) return;
    event.preventDefault();
    leave(form, sections);
  });
}

// From the viewer: the next photo takes the place of the one that goes.
async function leave(form, sections) {
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  const viewer = form.closest("dialog, [data-viewer-page]");
  const done = await trashPhotos([Number(form.dataset.trash)], sections);
  delete form.dataset.busy;
  if (!done || !form.isConnected) return;
  for (const name of ["next", "previous", "close"]) {
    const link = viewer.querySelector(`[data-${name}]`);
    if (link) return link.click();
  }
}

// Trashes photos by their ids, takes their cells out of the grid and says so with a way back.
// Gives whether any went. `tell(sentence, undo)` shows the words; ours where nobody gives one.
export async function trashPhotos(ids, sections, tell = showToast) {
  try {
    const operation = await finish(await postJson("/api/photos/trash", { photo_ids: ids }));
    const failed = new Set((operation.report?.errors ?? []).map((error) => error.photo_id));
    const gone = ids.filter((id) => !failed.has(id));
    const putBack = sections ? removeCells(sections, gone) : () => false;
    const problem = operation.problems[0]?.reason ?? operation.message;
    const count = `${gone.length.toLocaleString("en")} photo${gone.length === 1 ? "" : "s"} moved to the trash.`;
    const undo = async () => {
      await finish(await postJson(`/api/operations/${operation.operation_id}/undo`, {}));
      if (!putBack()) location.reload();
    };
    tell([gone.length ? count : "", problem ?? ""].join(" ").trim(), gone.length ? undo : null);
    return gone.length > 0;
  } catch (error) {
    tell(error.message, null);
    return false;
  }
}

async function finish({ operation_id: id }) {
  for (;;) {
    const operation = await getJson(`/api/operations/${id}`);
    if (!ACTIVE.includes(operation.status)) return operation;
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
  }
}

// Takes cells out without a jump: each block is told its new size, the later ones of its month
// where they begin now. Gives what puts them back, which says whether it could.
export function removeCells(sections, ids) {
  const taken = [];
  for (const id of ids) {
    const cell = sections.months.querySelector(`.cells [data-photo="${id}"]`)?.closest("li");
    if (!cell) continue;
    const block = cell.closest(".cells");
    taken.push({ cell, block, next: cell.nextElementSibling });
    if (cell.contains(document.activeElement)) (cell.nextElementSibling ?? cell.previousElementSibling)?.querySelector("a")?.focus();
    cell.remove();
    resize(sections, block, -1);
  }
  return () => {
    let whole = taken.length === ids.length;
    for (const { cell, block, next } of taken.reverse()) {
      if (!block.isConnected || "empty" in block.dataset || (next && next.parentElement !== block)) {
        whole = false;
        continue;
      }
      block.insertBefore(cell, next);
      resize(sections, block, 1);
    }
    return whole;
  };
}

function resize(sections, block, by) {
  const count = Number(getComputedStyle(block).getPropertyValue("--n")) + by;
  block.style.setProperty("--n", String(count));
  block.dataset.limit = String(Math.max(count, 1));
  const later = sections.blocks.slice(sections.blocks.indexOf(block) + 1);
  for (const other of later)
    if (other.dataset.month === block.dataset.month) other.dataset.offset = String(Number(other.dataset.offset) + by);
  const section = block.closest(".month");
  const words = section?.querySelector(".month-head .quiet");
  if (!words) return;
  words.textContent = words.textContent.replace(/([\d,]+) photos?/, (_, number) => {
    const left = Number(number.replaceAll(",", "")) + by;
    section.hidden = left === 0;
    return `${left.toLocaleString("en")} photo${left === 1 ? "" : "s"}`;
  });
}

function showToast(sentence, undo) {
  endShown();
  const toast = document.createElement("div");
  const end = () => {
    watch.disconnect();
    toast.remove();
  };
  toast.className = "trash-toast";
  toast.setAttribute("role", "status");
  toast.append(sentence);
  if (undo) {
    const button = Object.assign(document.createElement("button"), { className: "button", textContent: "Undo" });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await undo();
        end();
      } catch (error) {
        toast.textContent = error.message;
      }
    });
    toast.append(button);
  }
  // What lies outside of an open dialog cannot be pressed; the viewer replaces what is in it.
  const place = document.querySelector("dialog[open]") ?? document.body;
  place.append(toast);
  const watch = new MutationObserver(() => {
    if (!toast.isConnected) (place.matches("dialog:not([open])") ? document.body : place).append(toast);
  });
  watch.observe(place, { childList: true });
  setTimeout(end, SHOWN_MS);
  endShown = end;
}
