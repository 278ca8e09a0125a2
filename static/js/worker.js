// Registers the service worker where there is one: over https, and on the machine itself. It only
// shows a page that says so while the server does not answer; without it nothing is missing.

export function startWorker() {
  const address = document.documentElement.dataset.worker;
  if (!address || !navigator.serviceWorker) return;
  // Private windows and policies refuse it, and that is all right.
  addEventListener("load", () => navigator.serviceWorker.register(address, { scope: "/" }).catch(() => {}));
}
