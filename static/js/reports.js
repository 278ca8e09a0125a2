// What a deed on many photos did, in words; and how all of it is taken back.

import { getJson, post, sentenceOf } from "./api.js";
import { nameOf, unnamed } from "./star.js";
import { gettext, ngettext } from "./texts.js";

const MOST_NAMED = 20;

export const photos = (number) => ngettext("{count} photo", "{count} photos", number);

export function listErrors(errors) {
  const details = document.createElement("details");
  details.append(Object.assign(document.createElement("summary"), { textContent: gettext("Which and why") }));
  const list = document.createElement("ul");
  for (const { photo_id: id, error } of errors.slice(0, MOST_NAMED)) {
    const item = document.createElement("li");
    const link = Object.assign(document.createElement("a"), { href: `/photo/${id}`, textContent: nameOf(id) });
    if (link.textContent === unnamed(id))
      getJson(`/api/photo/${id}`).then((photo) => (link.textContent = photo.original_filename), () => {});
    item.append(link, ` ${error}`);
    list.append(item);
  }
  if (errors.length > MOST_NAMED)
    list.append(Object.assign(document.createElement("li"), { textContent: ngettext("and {count} photo more", "and {count} photos more", errors.length - MOST_NAMED) }));
  details.append(list);
  return details;
}

// Takes back all that an operation did; gives the words for it, null where nothing was taken back.
export async function undoOperation(id, { toasts, watch }) {
  try {
    const { operation } = await post(`/api/operations/${id}/undo`);
    const { status, message, report: done } = await watch(operation);
    if (status !== "completed") throw Object.assign(new Error(message || gettext("It was stopped.")), { status });
    if (done.error_count) toasts.say(ngettext("{count} photo could not be undone", "{count} photos could not be undone", done.error_count), { error: true, details: listErrors(done.errors) });
    return done.success_count ? ngettext("Undone for {count} photo", "Undone for {count} photos", done.success_count) : null;
  } catch (error) {
    toasts.say(gettext("That could not be undone. {why}", { why: sentenceOf(error) }), { error: true });
    return null;
  }
}
