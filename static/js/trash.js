// Photos into the trash, with a way back for as long as the words about it stand.

import { post, postJson, sentenceOf } from "./api.js";
import { listErrors, photos, undoOperation } from "./reports.js";
import { nameOf } from "./star.js";
import { gettext, ngettext } from "./texts.js";
import { leaveWords } from "./toasts.js";

// sections, stars, refresh: of the grid, which is brought up to date; without them the page of
// one photo, which leads on to the next.
export function startTrash({ toasts, watch, sections, stars, refresh }) {
  const question = document.querySelector("[data-ask-companions]");

  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.("form[data-trash]");
    if (!form) return;
    event.preventDefault();
    leave(form);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Delete" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const form = document.querySelector("dialog[data-viewer][open] form[data-trash], [data-viewer-page] form[data-trash]");
    const asked = document.querySelector("dialog:modal:not([data-viewer])");
    if (!form || asked || event.target.closest?.("input, textarea, select")) return;
    event.preventDefault();
    leave(form);
  });

  // From the viewer: the next photo takes the place of the one that goes.
  async function leave(form) {
    if (form.dataset.busy) return;
    form.dataset.busy = "1";
    const viewer = form.closest("dialog, [data-viewer-page]");
    const gone = await move([Number(form.dataset.trash)], { leaving: !sections });
    delete form.dataset.busy;
    if (!gone || !form.isConnected) return;
    const names = ["next", "previous", "close"].map((name) => viewer.querySelector(`[data-${name}]`));
    names.find(Boolean).click();
  }

  // Gives whether any photo went. begun: called once the person has answered. again: gives what
  // chooses photos, by their ids as text, that could not be moved. leaving: the page goes, too.
  async function move(ids, { begun, again, leaving } = {}) {
    const named = ids.length === 1 ? nameOf(ids[0]) : photos(ids.length);
    const months = monthsOf(ids);
    try {
      const plan = await postJson("/api/photos/trash?dry_run=1", { photo_ids: ids });
      const answer = plan.companions.length ? await ask(plan.companions, ids.length) : "alone";
      if (!answer) return false;
      begun?.();
      const raws = answer === "both" ? plan.companions.length : 0;
      const { operation: id } = await post("/api/photos/trash", { photo_ids: ids, with_companions: raws > 0 });
      const operation = await watch(id);
      const failed = operation.report?.errors ?? [];
      const count = operation.status === "completed" ? ids.length - failed.length : 0;
      if (count && leaving) leaveWords(wordsOf(count, raws), id);
      else await bringUpToDate(months);
      tell(operation, { count, raws, failed, ids, again, months, leaving });
      return count > 0;
    } catch (error) {
      const choose = again && { undo: again(ids.map(String)), action: ids.length === 1 ? gettext("Select it") : gettext("Select them") };
      toasts.say(gettext("{photos} not moved to the trash. {why}", { photos: named, why: sentenceOf(error) }), { error: true, ...choose });
      return false;
    }
  }

  function tell(operation, { count, raws, failed, ids, again, months, leaving }) {
    const undo = () => takeBack(operation.operation_id, months);
    if (operation.status !== "completed") {
      const words = gettext("Not all of {photos} were moved. {why} What was moved lies in the trash.", { photos: photos(ids.length), why: operation.message || gettext("It was stopped.") });
      return void toasts.say(words, { error: true, undo });
    }
    if (count && !leaving) toasts.say(wordsOf(count, raws), { undo });
    if (!failed.length) return;
    if (ids.length === 1) return void toasts.say(failed[0].error, { error: true });
    const choose = again && { undo: again(failed.map((one) => String(one.photo_id))), action: failed.length === 1 ? gettext("Select it") : gettext("Select them") };
    toasts.say(ngettext("{count} photo could not be moved to the trash", "{count} photos could not be moved to the trash", failed.length), { error: true, details: listErrors(failed), ...choose });
  }

  async function takeBack(operation, months) {
    const words = await undoOperation(operation, { toasts, watch });
    if (!words) return;
    await bringUpToDate(months);
    toasts.say(words);
  }

  // Whether RAW files go along: "both", "alone", or "" for neither.
  function ask(companions, count) {
    const names = companions.slice(0, 3).map(({ path }) => path.split("/").at(-1));
    const more = companions.length - names.length;
    const list = more > 0 ? gettext("{names} and {count} more", { names: names.join(", "), count: more }) : names.join(", ");
    const own =
      count === 1
        ? gettext("This photo has its RAW beside it")
        : ngettext("One of these {photos} has its RAW beside", "{count} of these {photos} have their RAW beside", companions.length, { photos: photos(count) });
    question.querySelector("[data-words]").textContent = gettext("{which}: {names}. Kept, it is shown as a photo of its own.", { which: own, names: list });
    return new Promise((done) => {
      const end = (answer) => {
        question.removeEventListener("click", press);
        question.removeEventListener("close", leaveIt);
        if (question.open) question.close();
        done(answer);
      };
      const press = (event) => event.target.closest("button") && end(event.target.closest("button").value);
      const leaveIt = () => end("");
      question.addEventListener("click", press);
      question.addEventListener("close", leaveIt);
      question.showModal();
    });
  }

  function monthsOf(ids) {
    const viewed = document.querySelector(".viewer-page")?.dataset;
    const cells = ids.map((id) => sections?.months.querySelector(`.cells [data-photo="${id}"]`)?.closest(".month"));
    const keys = cells.map((section) => section?.id.slice(2));
    if (viewed && ids.includes(Number(viewed.photo))) keys.push(viewed.month);
    return [...new Set(keys.filter(Boolean))];
  }

  async function bringUpToDate(months) {
    if (!refresh) return;
    await refresh(months);
    stars.refresh([]);
  }

  return { move };
}

// raws: how many RAW files went along.
function wordsOf(count, raws) {
  if (!raws) return ngettext("{count} photo moved to the trash", "{count} photos moved to the trash", count);
  if (count === 1) return gettext("1 photo and its RAW moved to the trash");
  const files = ngettext("{count} RAW file", "{count} RAW files", raws);
  return gettext("{photos} and {files} moved to the trash", { photos: photos(count), files });
}
