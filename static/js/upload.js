// Files on their way into the library: sent piece by piece, again where a connection was lost,
// and never twice: each has an id of its own, and the server says what it has.

import { fetchFragment, getJson, postForm, sendFiles, sentenceOf } from "./api.js";
import { gettext, language, ngettext } from "./texts.js";

const ADDRESS = "/api/import/files";
const PIECE = 16 * 1024 * 1024;
const MOST_ROWS = 300; // of files that are listed; the bar counts all
const LONGEST_WAIT_MS = 30000;
const ASK_AGAIN_MS = 2000;
const KEY = "lightkeep-upload";
const FULL = 507;

// signal: aborted where the panel is closed; what is on its way then stops, and nothing is lost.
export function startUpload(panel, { dropped = [], signal } = {}) {
  const find = (name) => panel.querySelector(`[data-upload-${name}]`);
  const form = find("form");
  const status = find("status");
  const items = [];
  let upload = sessionStorage.getItem(KEY);
  let running = false;
  let before = 0; // files that were sent before this page was opened, and not imported yet

  form.querySelector("button").hidden = true;
  find("folder").hidden = !("webkitdirectory" in HTMLInputElement.prototype);
  if (!matchMedia("(hover: none)").matches) find("words").textContent = gettext("Drop photos, videos or folders here");
  for (const input of form.querySelectorAll("input")) {
    input.addEventListener("change", () => {
      add([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
  // Anywhere on the page: beside the frame the browser would leave the page for the file.
  addEventListener("dragover", hover, { signal });
  addEventListener("dragleave", (event) => event.relatedTarget || form.classList.remove("over"), { signal });
  addEventListener("drop", drop, { signal });
  form.addEventListener("submit", (event) => event.preventDefault());
  find("again").addEventListener("click", run);
  addEventListener("beforeunload", (event) => running && event.preventDefault(), { signal });
  if (dropped.length) add(dropped);
  else if (upload) learn().then(() => before && run(), () => {}); // as before a reload

  function hover(event) {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    form.classList.add("over");
  }

  async function drop(event) {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    form.classList.remove("over");
    add(await listDropped(event.dataTransfer));
  }

  function add(files) {
    const known = new Set(items.map((item) => item.id));
    for (const { file, path } of files) {
      const id = `${path}|${file.size}|${file.lastModified}`.slice(-480);
      if (known.has(id)) continue;
      known.add(id);
      const item = { file, path, id, sent: 0, done: false, failed: false };
      item.row = items.length < MOST_ROWS ? addRow(item) : null;
      items.push(item);
    }
    if (files.length) run();
  }

  function addRow(item) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    name.className = "upload-name";
    name.textContent = item.path;
    const note = document.createElement("span");
    note.className = "upload-note";
    const bar = document.createElement("progress");
    bar.max = Math.max(1, item.file.size);
    bar.value = 0;
    bar.setAttribute("aria-label", item.path);
    row.append(name, note, bar);
    find("list").append(row);
    return row;
  }

  async function run() {
    if (running) return;
    running = true;
    panel.classList.add("busy");
    panel.classList.remove("planned");
    find("state").hidden = false;
    find("server").hidden = items.length > 0;
    find("again").hidden = true;
    find("plan").replaceChildren();
    for (const item of items) item.failed = false;
    try {
      await sendAll();
      running = false;
      find("again").hidden = !items.some((item) => item.failed);
      if (before || items.some((item) => item.done)) await showPlan();
    } catch (error) {
      if (signal?.aborted) return;
      say(error.message);
      find("again").hidden = false;
    } finally {
      running = false;
    }
  }

  async function sendAll() {
    let wait = 1000;
    await learn().catch(() => {}); // what is wrong with the connection, sending will say
    for (let item; (item = items.find(({ done, failed }) => !done && !failed)); ) {
      tell();
      try {
        await send(item);
        wait = 1000;
      } catch (error) {
        if (error.status === FULL || signal?.aborted) throw error;
        if (error.status === 404 && upload) forget();
        else if (error.status && error.status < 500) fail(item, error.message);
        else {
          say(gettext("{why} Nothing is lost: it goes on by itself.", { why: error.message }));
          await Promise.race([pause(wait), backOnline()]);
          wait = Math.min(2 * wait, LONGEST_WAIT_MS);
          await learn().catch(() => {});
        }
      }
    }
    tell();
  }

  async function send(item) {
    const { file } = item;
    do {
      const form = new FormData();
      if (upload) form.append("upload", upload);
      form.append("id", item.id);
      form.append("modified", Math.max(0, file.lastModified));
      form.append("offset", item.sent);
      form.append("size", file.size);
      form.append("file", file.slice(item.sent, item.sent + PIECE), item.path);
      const from = item.sent;
      const answer = await sendFiles(ADDRESS, form, (loaded) => {
        show(item, Math.min(from + loaded, file.size));
        tell();
      }, signal);
      upload = answer.upload;
      sessionStorage.setItem(KEY, upload);
      const [said] = answer.files;
      item.sent = said.received;
      item.done = said.received === file.size;
      if (!item.done && item.sent === from && file.size) throw new Error(gettext("A piece was not taken."));
      show(item, item.sent);
    } while (!item.done);
  }

  // What the server has already, after a lost connection or a reload.
  async function learn() {
    if (!upload) return;
    try {
      const { files } = await getJson(`${ADDRESS}?upload=${upload}`);
      const here = new Set(files.map(({ id }) => id));
      before = here.size - items.filter(({ id }) => here.has(id)).length;
      for (const item of items) {
        if (item.done || !here.has(item.id)) continue;
        item.done = true;
        show(item, item.file.size);
      }
    } catch (error) {
      if (error.status !== 404) throw error;
      forget();
    }
  }

  function forget() {
    upload = null;
    before = 0;
    sessionStorage.removeItem(KEY);
    for (const item of items) {
      item.sent = 0;
      item.done = false;
    }
  }

  function show(item, bytes) {
    item.shown = bytes;
    if (!item.row) return;
    item.row.querySelector("progress").value = item.done ? item.row.querySelector("progress").max : bytes;
    item.row.classList.toggle("sent", item.done);
    item.row.querySelector(".upload-note").textContent = item.done
      ? `${size(item.file.size)} · sent`
      : `${Math.floor((100 * bytes) / Math.max(1, item.file.size))} %`;
  }

  function fail(item, message) {
    item.failed = true;
    item.row ??= addRow(item);
    const note = item.row.querySelector(".upload-note");
    note.classList.add("failed");
    note.textContent = message;
  }

  function tell() {
    const total = items.reduce((sum, { file }) => sum + file.size, 0);
    const sent = items.reduce((sum, item) => sum + (item.done ? item.file.size : (item.shown ?? 0)), 0);
    const all = find("all");
    all.max = Math.max(1, total);
    all.value = items.every(({ done }) => done) ? all.max : sent;
    const done = items.filter((item) => item.done).length;
    if (!items.length) return say(`${sentBefore()}.`);
    const files = gettext("{done} of {total} files sent", { done, total: items.length });
    const bytes = gettext("{part} of {whole}", { part: size(sent), whole: size(total) });
    const waiting = before && gettext("{count} from before", { count: before });
    say([files, bytes, waiting].filter(Boolean).join(" · "));
  }

  function sentBefore() {
    return ngettext("{count} file was sent before", "{count} files were sent before", before);
  }

  function say(sentence) {
    if (status.textContent !== sentence) status.textContent = sentence;
  }

  async function showPlan() {
    const wanted = new FormData();
    wanted.append("upload", upload);
    for (;;) {
      const all = items.length ? gettext("All {count} files are sent", { count: items.length }) : sentBefore();
      say(`${all}. ${gettext("Looking which of them are new…")}`);
      try {
        find("plan").innerHTML = await postForm("/import/plan", wanted);
        await followPlan(find("plan"), signal);
        break;
      } catch (error) {
        if (error.status !== 409) throw error;
        say(error.message);
        await pause(ASK_AGAIN_MS);
      }
    }
    tell();
    panel.classList.add("planned");
    find("plan").querySelector("form")?.addEventListener("submit", () => sessionStorage.removeItem(KEY));
  }
}

// A plan that takes longer is asked for until it is there; the server waits a second each time.
export async function followPlan(place, signal) {
  for (let planning; (planning = place.querySelector("[data-planning]")); ) {
    if (signal?.aborted) return postForm(`${planning.querySelector("form").action}`, new FormData());
    const part = await fetchFragment(`/import/plan/${planning.dataset.planning}`);
    const next = document.createElement("div");
    next.innerHTML = part;
    // Words that change in their place are read aloud, and the button keeps the focus.
    if (!next.querySelector("[data-planning]")) place.replaceChildren(...next.childNodes);
    else for (const name of ["[role=status]", "progress"]) planning.querySelector(name).replaceWith(next.querySelector(name));
  }
  place.querySelector("[data-plan-head]")?.focus();
}

// On the grid: the same panel in a dialog, for files that are dropped anywhere and for `links`.
export function startImport(links, toasts) {
  let cover = null;
  let own = false; // a picture of the page itself is dragged: it comes as a file, too

  addEventListener("dragstart", () => (own = true));
  addEventListener("dragend", () => (own = false));
  addEventListener("dragover", (event) => {
    if (!isWanted(event)) return;
    event.preventDefault();
    if (cover) return;
    cover = document.createElement("p");
    cover.className = "drop-here";
    cover.textContent = gettext("Drop the photos to import them");
    document.body.append(cover);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) uncover();
  });
  addEventListener("drop", async (event) => {
    uncover();
    if (!isWanted(event)) return;
    event.preventDefault();
    const dropped = await listDropped(event.dataTransfer);
    open(dropped).catch((error) => toasts.say(gettext("{why} Nothing was sent.", { why: sentenceOf(error) }), { error: true }));
  });
  for (const link of links) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      link.closest("details")?.removeAttribute("open");
      open([]).catch(() => (location.href = link.href));
    });
  }

  function isWanted(event) {
    return carriesFiles(event) && !own && !document.querySelector("[data-upload]");
  }

  function uncover() {
    cover?.remove();
    cover = null;
  }

  async function open(dropped) {
    const panel = await fetchFragment("/import");
    const closing = new AbortController();
    const dialog = document.createElement("dialog");
    dialog.className = "upload-dialog";
    dialog.setAttribute("aria-labelledby", "upload-head");
    dialog.innerHTML = `<header><h1 id="upload-head">${gettext("Import photos")}</h1>
      <button type="button" class="button plain" aria-label="${gettext("Close")}"><svg class="icon" aria-hidden="true"><use href="#i-close"/></svg></button>
      </header>${panel}`;
    dialog.querySelector("button").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      closing.abort();
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
    startUpload(dialog.querySelector("[data-upload]"), { dropped, signal: closing.signal });
  }
}

const carriesFiles = (event) => Boolean(event.dataTransfer?.types.includes("Files"));

// The files of a drop, those within folders too. Entries must be asked for at once: later
// the browser has forgotten them.
async function listDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  const path = folder + entry.name;
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) found.push({ file, path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const entries = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!entries.length) return;
    for (const inner of entries) await walk(inner, `${path}/`, found);
  }
}

const backOnline = () => new Promise((done) => addEventListener("online", done, { once: true }));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const decimal = (number) => number.toLocaleString(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

function size(bytes) {
  if (bytes >= 1e9) return `${decimal(bytes / 1e9)} GB`;
  if (bytes >= 1e6) return `${decimal(bytes / 1e6)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}
