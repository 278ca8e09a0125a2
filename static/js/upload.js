// Files on their way into the library: sent piece by piece, again where a connection was lost,
// and never twice: each has an id of its own, and the server says what it has.

import { fetchFragment, getJson, postForm, sendFiles } from "./api.js";

const ADDRESS = "/api/import/files";
const PIECE = 16 * 1024 * 1024;
const MOST_ROWS = 300; // of files that are listed; the bar counts all
const LONGEST_WAIT_MS = 30000;
const ASK_AGAIN_MS = 2000;
const KEY = "lightkeep-upload";
const FULL = 507;

export function startUpload(panel, dropped = []) {
  const find = (name) => panel.querySelector(`[data-upload-${name}]`);
  const form = find("form");
  const status = find("status");
  const items = [];
  let upload = sessionStorage.getItem(KEY);
  let running = false;

  form.querySelector("button").hidden = true;
  find("folder").hidden = false;
  find("words").textContent =
    "Drop photos, videos or folders here, or choose them. Each comes into the library once; what is here already is left out.";
  for (const input of form.querySelectorAll("input")) {
    input.addEventListener("change", () => {
      add([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
  for (const name of ["dragenter", "dragover"]) form.addEventListener(name, hover);
  for (const name of ["dragleave", "drop"]) form.addEventListener(name, () => form.classList.remove("over"));
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    add(await listDropped(event.dataTransfer));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  find("again").addEventListener("click", run);
  addEventListener("beforeunload", (event) => running && event.preventDefault());
  if (dropped.length) add(dropped);

  function hover(event) {
    event.preventDefault();
    form.classList.add("over");
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
    find("state").hidden = false;
    find("again").hidden = true;
    find("plan").replaceChildren();
    for (const item of items) item.failed = false;
    try {
      await sendAll();
      running = false;
      if (items.some((item) => item.done)) await showPlan();
    } catch (error) {
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
        if (error.status === FULL) throw error;
        if (error.status === 404 && upload) forget();
        else if (error.status && error.status < 500) fail(item, error.message);
        else {
          say(`${error.message} Nothing is lost: it goes on by itself.`);
          await pause(wait);
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
      });
      upload = answer.upload;
      sessionStorage.setItem(KEY, upload);
      const [said] = answer.files;
      item.sent = said.received;
      item.done = said.received === file.size;
      if (!item.done && item.sent === from && file.size) throw new Error("A piece was not taken.");
      show(item, item.sent);
    } while (!item.done);
  }

  // What the server has already, after a lost connection or a reload.
  async function learn() {
    if (!upload) return;
    try {
      const { files } = await getJson(`${ADDRESS}?upload=${upload}`);
      const here = new Set(files.map(({ id }) => id));
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
    item.row.querySelector(".upload-note").textContent = item.done
      ? "sent"
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
    say(`${format(done)} of ${format(items.length)} files sent · ${size(sent)} of ${size(total)}`);
  }

  function say(sentence) {
    if (status.textContent !== sentence) status.textContent = sentence;
  }

  async function showPlan() {
    const wanted = new FormData();
    wanted.append("upload", upload);
    for (;;) {
      say(`All ${format(items.length)} files are sent. Looking which of them are new…`);
      try {
        find("plan").innerHTML = await postForm("/import/plan", wanted);
        break;
      } catch (error) {
        if (error.status !== 409) throw error;
        say(error.message);
        await pause(ASK_AGAIN_MS);
      }
    }
    tell();
    panel.querySelector("[data-plan-head]").focus();
    find("plan").querySelector("form")?.addEventListener("submit", () => sessionStorage.removeItem(KEY));
  }
}

// On the grid: files that are dropped anywhere open the same panel in a dialog.
export function startDropping() {
  let cover = null;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

  addEventListener("dragover", (event) => {
    if (!carriesFiles(event) || document.querySelector("[data-upload]")) return;
    event.preventDefault();
    if (cover) return;
    cover = document.createElement("p");
    cover.className = "drop-here";
    cover.textContent = "Drop the photos to import them";
    document.body.append(cover);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) uncover();
  });
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event) || document.querySelector("[data-upload]")) return;
    event.preventDefault();
    uncover();
    open(await listDropped(event.dataTransfer));
  });

  function uncover() {
    cover?.remove();
    cover = null;
  }

  async function open(files) {
    const dialog = document.createElement("dialog");
    dialog.className = "upload-dialog";
    dialog.setAttribute("aria-label", "Import photos");
    dialog.innerHTML = await fetchFragment("/import");
    const head = document.createElement("header");
    const title = document.createElement("h1");
    title.textContent = "Import photos";
    const close = document.createElement("button");
    close.className = "button plain";
    close.textContent = "Close";
    close.addEventListener("click", () => dialog.close());
    head.append(title, close);
    dialog.prepend(head);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    startUpload(dialog.querySelector("[data-upload]"), files);
  }
}

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

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const format = (count) => count.toLocaleString("en");

function size(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}
