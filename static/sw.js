// While the server does not answer, a page that says so. Nothing else is ever kept: no photo, no
// page of the library, no answer. What it is of stands in its address, so that a new version is
// another worker with another store.

const STORE = `lightkeep-${new URL(location.href).searchParams.get("v")}`;
const PAGE = "/offline";
const SHELL = [PAGE, "/static/css/tokens.css", "/static/css/base.css", "/static/css/page.css", "/static/icon.svg", "/static/js/offline.js"];

addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(STORE)
      .then((store) => store.addAll(SHELL.map((path) => new Request(path, { cache: "reload", redirect: "error" }))))
      .then(() => self.skipWaiting()),
  );
});

addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith("lightkeep-") && name !== STORE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(async () => (await caches.match(PAGE)) ?? Response.error()));
    return;
  }
  const { origin, pathname, search } = new URL(request.url);
  if (origin !== location.origin || search || pathname === PAGE || !SHELL.includes(pathname)) return;
  event.respondWith(fetch(request).catch(async () => (await caches.match(pathname)) ?? Response.error()));
});
