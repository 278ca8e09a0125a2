// After a deed that moves photos: the page as it is now, with a word about it and a way back.

import { reloadInPlace } from "./place.js";
import { undoOperation } from "./reports.js";
import { leaveWords, takeLeftWords } from "./toasts.js";

export function startRefresh({ toasts, watch }) {
  let viewer = null;

  // words: what was done, by `operation`; ids: the photos that may stand elsewhere now.
  function refresh(words, { operation, ids = [] } = {}) {
    if (viewer?.isOpen()) {
      say(words, operation);
      viewer.refresh();
    } else {
      leaveWords(words, operation);
      reloadInPlace(new Set(ids));
    }
  }

  function say(words, operation) {
    toasts.say(words, { undo: operation && (() => takeBack(operation)) });
  }

  async function takeBack(operation, ids) {
    const words = await undoOperation(operation, { toasts, watch });
    if (words) refresh(words, { ids });
  }

  const left = takeLeftWords();
  if (left) say(left.words, left.operation);

  return { refresh, takeBack, follow: (opened) => (viewer = opened) };
}
