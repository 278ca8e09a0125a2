// The dialog that changes capture dates: how, and before anything is written the old and new ones.

import { post, postJson, sentenceOf } from "./api.js";
import { listErrors, photos } from "./reports.js";
import { gettext, language, ngettext } from "./texts.js";

const SETTLE_MS = 250; // what is being typed is not planned yet
const MOST_SHOWN = 100;
const WORDS = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23", timeZone: "UTC" });
const SOURCES = { name: gettext("from its name"), folder: gettext("from its folder"), neighbors: gettext("from its neighbors") };

export function startDates(dialog, { toasts, watch, refresh, takeBack }) {
  const form = dialog.querySelector("[data-dates-form]");
  const head = dialog.querySelector("[data-dates-head]");
  const plan = dialog.querySelector("[data-dates-plan]");
  const change = dialog.querySelector("[data-dates-change]");
  const move = dialog.querySelector("[data-dates-move]");
  let asked = null; // { ids, begun }
  let timer = 0;
  let round = 0;

  // ids: photos as text. date, offset: of a single photo. begun: called once they are on their way.
  function ask(ids, { date = null, offset = "", mode = "shift", begun = () => {} } = {}) {
    if (!ids.length) return;
    asked = { ids, begun };
    form.reset();
    form.moment.value = date ?? "";
    form.offset.value = offset ?? "";
    form.mode.value = mode;
    head.textContent = ids.length === 1 ? gettext("Change the date") : gettext("Change the date of {photos}", { photos: photos(ids.length) });
    dialog.querySelector('[data-mode-choice="sequence"]').hidden = ids.length === 1;
    fillZones();
    showMode();
    dialog.showModal();
    preview();
  }

  function fillZones() {
    const list = dialog.querySelector("#zones");
    if (list.children.length) return;
    list.append(...Intl.supportedValuesOf("timeZone").map((zone) => new Option(zone, zone)));
  }

  function showMode() {
    for (const part of form.querySelectorAll("[data-mode]")) part.hidden = !part.dataset.mode.split(" ").includes(form.mode.value);
  }

  form.addEventListener("input", () => {
    showMode();
    round += 1;
    change.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(preview, SETTLE_MS);
  });

  // What the server is asked for; null while there is nothing to ask.
  function wanted() {
    const mode = form.mode.value;
    const body = { photo_ids: asked.ids.map(Number), mode, move_files: form.move_files.checked };
    if (mode === "suggested") return body;
    if (mode === "shift") {
      const value = zonesOf() ?? spanOf();
      return value && { ...body, value };
    }
    if (!form.moment.value) return null;
    const moment = form.moment.value.replace("T", " ");
    const value = `${moment.length === 16 ? `${moment}:00` : moment}${form.offset.value.trim()}`;
    return mode === "sequence" ? { ...body, value, step: form.step.value } : { ...body, value };
  }

  function zonesOf() {
    const [from, to] = [form.zone_from.value.trim(), form.zone_to.value.trim()];
    return from && to ? `${from}->${to}` : null;
  }

  function spanOf() {
    const parts = ["days", "hours", "minutes", "seconds"].map((name) => [Number(form[name].value), name[0]]);
    const words = parts.filter(([number]) => number > 0).map(([number, unit]) => `${number}${unit}`);
    return words.length ? form.sign.value + words.join(" ") : null;
  }

  async function preview() {
    const mine = ++round;
    const body = wanted();
    if (!body) return show([], "");
    try {
      const { dates } = await postJson("/api/photos/date?dry_run=1", body);
      if (mine === round) show(dates, "");
    } catch (error) {
      if (mine === round) show([], sentenceOf(error));
    }
    return undefined;
  }

  function show(dates, trouble) {
    const moving = dates.filter((one) => one.after && one.after !== one.before);
    const failing = dates.filter((one) => one.problem).length;
    const same = dates.length - moving.length - failing;
    move.hidden = !dates.some((one) => one.moves_to);
    const counts = [
      moving.length && ngettext("{count} photo changes", "{count} photos change", moving.length),
      same && ngettext("{count} photo as now", "{count} photos as now", same),
      failing && ngettext("{count} photo cannot get one", "{count} photos cannot get one", failing),
    ];
    const words = document.createElement("p");
    words.textContent = trouble || counts.filter(Boolean).join(" · ");
    if (trouble) words.className = "dates-trouble";
    const list = document.createElement("ul");
    // What fails is not to be overlooked.
    const shown = [...dates].sort((a, b) => Boolean(b.problem) - Boolean(a.problem)).slice(0, MOST_SHOWN);
    list.append(...shown.map(row));
    if (dates.length > MOST_SHOWN) list.append(item("", ngettext("and {count} photo more", "and {count} photos more", dates.length - MOST_SHOWN)));
    list.tabIndex = 0;
    list.setAttribute("aria-label", gettext("Old and new dates"));
    plan.replaceChildren(...(words.textContent ? [words] : []), ...(dates.length ? [list] : []));
    change.disabled = !moving.length;
    change.textContent = moving.length > 1 ? gettext("Change {photos}", { photos: photos(moving.length) }) : gettext("Change");
  }

  form.addEventListener("submit", (event) => {
    if (event.submitter?.value !== "change") return;
    const body = wanted();
    if (body) write(body, asked);
  });

  async function write(body, { ids, begun }) {
    begun();
    try {
      const { operation } = await post("/api/photos/date", body);
      const { status, message, report } = await watch(operation);
      const done = report?.changed ?? 0;
      const undo = () => takeBack(operation, ids);
      if (status !== "completed") return toasts.say(gettext("Not all dates were changed. {why} What was written until then is kept.", { why: message || gettext("It was stopped.") }), { undo, error: true });
      if (report.error_count) toasts.say(ngettext("{count} photo got no other date", "{count} photos got no other date", report.error_count), { error: true, details: listErrors(report.errors) });
      if (!done) return report.error_count ? undefined : toasts.say(gettext("All had that date already"));
      const words = ngettext("Date of {count} photo changed", "Date of {count} photos changed", done);
      // What failed is to be read first; the page follows once it is left or taken back.
      return report.error_count ? toasts.say(words, { undo }) : refresh(words, { operation, ids });
    } catch (error) {
      return toasts.say(gettext("No date was changed. {why}", { why: sentenceOf(error) }), { error: true });
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-date-of]");
    if (button) ask([button.dataset.dateOf], { date: button.dataset.date || null, offset: button.dataset.offset, mode: "same" });
  });

  return { ask };
}

function row({ path, before, after, source, problem }) {
  const name = path.split("/").at(-1);
  const change = before === after ? gettext("stays {date}", { date: words(after) }) : `${words(before)} → ${words(after)}`;
  const what = problem ?? (source ? `${change}, ${SOURCES[source]}` : change);
  const made = item(name, what);
  made.firstChild.title = path;
  made.classList.toggle("trouble", Boolean(problem));
  return made;
}

function item(name, what) {
  const made = document.createElement("li");
  made.append(Object.assign(document.createElement("b"), { textContent: name }), Object.assign(document.createElement("span"), { textContent: what }));
  return made;
}

const words = (date) => (date ? WORDS.format(new Date(`${date}Z`)) : gettext("no date"));
