// The dialog that names all keys: by ?, and from the menu.

export function startKeys(dialog) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input:not([type=checkbox], [type=radio]), select, textarea")) return;
    event.preventDefault();
    if (!dialog.open) dialog.showModal();
  });
  // What lies behind has keys of its own, which are not meant while this is open.
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "?") return;
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

  const button = document.querySelector("[data-keys]");
  button?.addEventListener("click", () => {
    const menu = button.closest("details");
    menu.open = false;
    menu.querySelector("summary").focus(); // where closing leads back to
    dialog.showModal();
  });
}
