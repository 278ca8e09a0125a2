// Search and filters: `/` goes to the words, and the form of all filters opens over the grid.

import { fetchFragment } from "./api.js";

export function startFilters(dialog, link, words) {
  for (const form of document.querySelectorAll("form[data-tidy]")) tidy(form);
  if (!dialog || !link) return;

  async function open() {
    try {
      const form = document.createElement("template");
      form.innerHTML = await fetchFragment(new URL(link.href));
      dialog.replaceChildren(form.content);
    } catch {
      location.assign(link.href); // the page says what is wrong
      return;
    }
    tidy(dialog.querySelector("form"));
    dialog.showModal();
  }

  link.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog[open]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (words?.checkVisibility()) words.select();
    else open();
  });
}

// What is empty is left out of the address.
function tidy(form) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (!field.value) field.disabled = true;
    setTimeout(() => {
      for (const field of form.elements) field.disabled = false; // for the way back
    });
  });
}
