// The bar of long work: follows it by events, or by asking where events are not to be had.

import { getJson, getText, postJson } from "./api.js";
import { gettext, ngettext } from "./texts.js";

const ASK_EVERY_MS = 2000;
const SOON_MS = [80, 160, 320]; // what ends this soon needs no bar
const SHOWN_MS = 4000; // how long the word that nothing had changed stays
const DISMISSED_KEY = "lightkeep-dismissed-operation";
const ACTIVE = ["pending", "running"];

export function startOperations(place) {
  let following = null;
  let events = null;
  const waiting = new Map(); // who asked for an operation tells its outcome himself

  for (const form of document.querySelectorAll("form[data-start-operation]")) adopt(form);
  // Browsers open six connections to a server for all tabs together: only the tab that is
  // looked at holds one open.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && listen());
  const shown = place.querySelector("[data-operation]");
  if (shown?.dataset.operation === sessionStorage.getItem(DISMISSED_KEY)) place.replaceChildren();
  else if (shown) show(shown.dataset.operation).catch(lose);
  else follow().catch(lose);

  function adopt(form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      form.closest("details")?.removeAttribute("open");
      const data = new FormData(form);
      const body = { type: data.get("type") };
      if (data.get("accept_missing")) body.accept_missing = true;
      try {
        await show((await postJson("/api/operations", body)).operation_id);
      } catch (error) {
        if (error.status === 409) follow().catch(lose);
        else say(error.message);
      }
    });
  }

  // What runs already, started by another tab, the terminal or the start of the program.
  async function follow() {
    const { operations } = await getJson("/api/operations");
    const running = operations.find((operation) => ACTIVE.includes(operation.status));
    if (running) await show(running.operation_id);
  }

  async function show(id) {
    stop();
    following = id;
    await render(id);
    if (!place.querySelector("progress")) following = null;
    else if (!document.hidden) listen();
  }

  function listen() {
    if (!following || events) return;
    const id = following;
    events = new EventSource(`/api/operations/${id}/events`);
    events.onmessage = ({ data }) => update(JSON.parse(data)).catch(lose);
    events.onerror = () => {
      if (events?.readyState !== EventSource.CLOSED) return;
      stop();
      ask(id).catch(lose);
    };
  }

  function stop() {
    events?.close();
    events = null;
  }

  async function ask(id) {
    while (following === id && !events && !document.hidden) {
      await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
      if (following === id && !events) await update(await getJson(`/api/operations/${id}`));
    }
  }

  async function render(id) {
    place.innerHTML = await getText(`/operations/${id}`);
    for (const button of place.querySelectorAll("button[hidden]")) button.hidden = false;
    for (const form of place.querySelectorAll("form[data-start-operation]")) adopt(form);
    place.querySelector("[data-cancel]")?.addEventListener("submit", (event) => {
      event.preventDefault();
      event.target.querySelector("button").disabled = true;
      postJson(`/api/operations/${id}/cancel`, {}).catch((error) => say(error.message));
    });
    place.querySelector("[data-dismiss]")?.addEventListener("click", () => {
      sessionStorage.setItem(DISMISSED_KEY, id);
      place.replaceChildren();
    });
    place.querySelector("[data-reload]")?.addEventListener("click", (event) => {
      event.preventDefault();
      location.reload();
    });
  }

  async function update(operation) {
    if (operation.operation_id !== following) return;
    if (!ACTIVE.includes(operation.status)) {
      stop();
      following = null;
      if (tellWaiting(operation)) return place.replaceChildren();
      await render(operation.operation_id);
      settle(operation);
      return;
    }
    const bar = place.querySelector("progress");
    if (!bar) return;
    if (operation.total) {
      bar.max = operation.total;
      bar.value = operation.done;
    } else bar.removeAttribute("value");
    place.querySelector("[data-progress-words]").textContent = words(operation);
    tellProblems(place.querySelector("[data-problems]"), operation);
  }

  function tellWaiting(operation) {
    const tell = waiting.get(operation.operation_id);
    waiting.delete(operation.operation_id);
    tell?.(operation);
    return Boolean(tell);
  }

  // The operation as it ended; its bar is shown until then if that takes a moment.
  async function watch(id) {
    for (const pause of SOON_MS) {
      await new Promise((done) => setTimeout(done, pause));
      const operation = await getJson(`/api/operations/${id}`);
      if (!ACTIVE.includes(operation.status)) return operation;
    }
    const ended = new Promise((done) => waiting.set(id, done));
    await show(id);
    if (following !== id && waiting.delete(id)) {
      place.replaceChildren();
      return getJson(`/api/operations/${id}`);
    }
    return ended;
  }

  function settle({ status, report, problem_count: problems }) {
    if (status !== "completed") return;
    // A page that showed nothing has nothing to lose; others are asked, and keep their place.
    if (report.added && !document.querySelector(".month")) location.reload();
    else if (!hasNews(report) && !problems) {
      const card = place.firstElementChild;
      setTimeout(() => card.remove(), SHOWN_MS);
    }
  }

  // Without an answer there is no status either: the server, or the way to it, is away.
  function lose(error) {
    const away = gettext("Lightkeep does not answer. Nothing is lost; load the page again when it is back.");
    say(error.status ? error.message : away);
  }

  function say(sentence) {
    stop();
    following = null;
    const card = document.createElement("p");
    card.className = "operation-card";
    card.setAttribute("role", "alert");
    card.textContent = sentence;
    place.replaceChildren(card);
  }

  return { watch };
}

// The operation as it ended, on a page that has no bar.
export async function outcomeOf(id) {
  for (;;) {
    const operation = await getJson(`/api/operations/${id}`);
    if (!ACTIVE.includes(operation.status)) return operation;
    await new Promise((done) => setTimeout(done, SOON_MS[0]));
  }
}

// Who asked for a rebuild or a verification waits for its answer.
function hasNews(report) {
  const asked = "checked" in report || "differences" in report;
  return asked || report.added + report.changed + report.moved + report.missing > 0;
}

function tellProblems(details, { problems, problem_count: count }) {
  details.hidden = !count;
  details.querySelector("summary").textContent = ngettext("{count} file had problems", "{count} files had problems", count);
  details.querySelector("ul").replaceChildren(
    ...problems.map(({ path, reason }) => {
      const item = document.createElement("li");
      const name = document.createElement("b");
      name.textContent = path;
      item.append(name, ` ${reason}`);
      return item;
    }),
  );
}

function words({ phase_words: phase, done, total, files_per_s: rate, seconds_left: left }) {
  const parts = [phase || gettext("beginning")];
  if (total) parts.push(gettext("{done} of {total} files", { done, total }));
  else if (done) parts.push(gettext("{count} so far", { count: done }));
  if (rate >= 1) parts.push(gettext("{count} a second", { count: Math.round(rate) }));
  if (left >= 90) parts.push(gettext("about {count} minutes left", { count: Math.round(left / 60) }));
  else if (left > 1) parts.push(gettext("about {count} seconds left", { count: Math.round(left) }));
  return parts.join(" · ");
}
