// The only place that fetches. Every answer that is not a success is an Error with the
// sentence that the server gave.

import { gettext } from "./texts.js";

async function fetchChecked(url, options) {
  const response = await fetch(url, options);
  // Signed out meanwhile: the page itself leads to the login page and back.
  if (response.status === 401) location.reload();
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response) {
  const type = response.headers.get("Content-Type") ?? "";
  const message = type.startsWith("application/json")
    ? (await response.json()).error?.message
    : undefined;
  const error = new Error(message ?? gettext("The server answered {status}.", { status: String(response.status) }));
  error.status = response.status;
  return error;
}

export async function fetchFragment(url, signal) {
  const address = new URL(url, location.href);
  address.searchParams.set("fragment", "1");
  return (await fetchChecked(address, { signal })).text();
}

export async function getJson(url) {
  return (await fetchChecked(url)).json();
}

// HTML as nodes, for the page to take what it needs.
export async function getNodes(url, signal) {
  const template = document.createElement("template");
  template.innerHTML = await (await fetchChecked(url, { signal })).text();
  return template.content;
}

export async function getText(url) {
  return (await fetchChecked(url)).text();
}

export async function postJson(url, body) {
  return (await post(url, body)).answer;
}

// The answer with what its head says: the status, and which edit or operation it was. Without
// a body the address alone says what is wanted.
export async function post(url, body, more = {}) {
  const headers = body === undefined ? more : { "Content-Type": "application/json", ...more };
  const options = { method: "POST", headers, body: body === undefined ? undefined : JSON.stringify(body) };
  const response = await fetchChecked(url, options);
  const answer = await response.json();
  return {
    answer,
    status: response.status,
    edit: response.headers.get("Lightkeep-Edit"),
    operation: response.headers.get("Lightkeep-Operation") ?? answer.operation_id ?? null,
  };
}

// Without an answer there is no status either: the server, or the way to it, is away.
export function sentenceOf(error) {
  return error.status ? error.message : gettext("Lightkeep does not answer.");
}

export async function postForm(url, form) {
  const address = new URL(url, location.href);
  address.searchParams.set("fragment", "1");
  return (await fetchChecked(address, { method: "POST", body: form })).text();
}

// Not by fetch, which does not tell how much of a body is on its way. Resolves with the JSON.
export function sendFiles(url, form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () => {
      if (request.status === 401) location.reload();
      if (request.status === 200) resolve(request.response);
      else {
        const words = request.response?.error?.message;
        const error = new Error(words ?? gettext("The server answered {status}.", { status: String(request.status) }));
        error.status = request.status;
        reject(error);
      }
    });
    for (const name of ["error", "abort", "timeout"]) {
      request.addEventListener(name, () => reject(new Error("The connection was lost.")));
    }
    request.send(form);
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) request.abort();
  });
}
