// The question about an interrupted operation, over the page. Closing it leaves it for later:
// it stands under Operations, and is asked again in the next tab.

const LATER_KEY = "lightkeep-resume-later";

export function startResume(dialog) {
  const operation = dialog.dataset.resume;
  dialog.close();
  if (sessionStorage.getItem(LATER_KEY) === operation) return;
  dialog.showModal();
  dialog.querySelector("[data-first]").focus({ focusVisible: false });
  dialog.addEventListener("cancel", () => sessionStorage.setItem(LATER_KEY, operation));
  // A second press must not be a second answer.
  dialog.addEventListener("submit", () => {
    for (const button of dialog.querySelectorAll("button")) setTimeout(() => (button.disabled = true));
  });
}
