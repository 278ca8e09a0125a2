// The words of the page in the language of whoever looks at it: the English ones are the keys.

const block = document.querySelector("script[data-texts]");
const texts = block ? JSON.parse(block.textContent) : {};

export const language = document.documentElement.lang || "en";

// These words, with `{name}` filled in; numbers with the separators of the language.
export function gettext(words, values = {}) {
  return fill([texts[words] ?? words].flat()[0], values);
}

// The words for so many; `{count}` is the number. English and German have the same two forms.
export function ngettext(one, many, count, values = {}) {
  const forms = [texts[one] ?? [one, many]].flat();
  return fill(forms[count === 1 ? 0 : 1] ?? forms[0], { count, ...values });
}

function fill(words, values) {
  return words.replace(/\{(\w+)\}/g, (place, name) => (name in values ? show(values[name]) : place));
}

export function show(value) {
  return typeof value === "number" ? value.toLocaleString(language) : String(value);
}
