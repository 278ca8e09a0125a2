// What a deed on many photos did, in words; and how all of it is taken back.

import { getJson, post, sentenceOf } from "./api.js";
import { nameOf } from "./star.js";

const MOST_NAMED = 20;

export const photos = (number) => `${number.toLocaleString("en")} photo${number === 1 ? "" : "s"}`;

export function listErrors(errors) {
  const details = document.createElement("details");
  details.append(Object.assign(document.createElement("summary"), { textContent: "Which and why" }));
  const list = document.createElement("ul");
  for (const { photo_id: id, error } of errors.slice(0, MOST_NAMED)) {
    const item = document.createElement("li");
    const link = Object.assign(document.createElement("a"), { href: `/photo/${id}`, textContent: nameOf(id) });
    if (link.textContent === `Photo ${id}`)
      getJson(`/api/photo/${id}`).then((photo) => (link.textContent = photo.original_filename), () => {});
    item.append(link, ` ${error}`);
    list.append(item);
  }
  if (errors.length > MOST_NAMED)
    list.append(Object.assign(document.createElement("li"), { textContent: `and ${photos(errors.length - MOST_NAMED)} more` }));
  details.append(list);
  return details;
}

// Takes back all that an operation did; gives the words for it, null where nothing was taken back.
export async function undoOperation(id, { toasts, watch }) {
  try {
    const { operation } = await post(`/api/operations/${id}/undo`);
    const { status, message, report: done } = await watch(operation);
    if (status !== "completed") throw Object.assign(new Error(message || "It was stopped."), { status });
    if (done.error_count) toasts.say(`${photos(done.error_count)} could not be undone`, { error: true, details: listErrors(done.errors) });
    return done.success_count ? `Undone for ${photos(done.success_count)}` : null;
  } catch (error) {
    toasts.say(`That could not be undone. ${sentenceOf(error)}`, { error: true });
    return null;
  }
}
