// Asks the service. Every answer that is not the one asked for becomes a Failure, so that none is passed over.

import { byId } from "./elements.js";

const KEY = "shortlist.key";

/** What went wrong, in the service's own words; `where` is the part of the request that was refused. */
export class Failure extends Error {
  constructor(message, where = "", status = 0) {
    super(message);
    this.where = where;
    this.status = status;
  }
}

/** `{answer, stages, took}`: the JSON answer, the server's stages as `[name, ms]`, and ms until it was here. */
export async function ask(method, path, body = undefined, signal = undefined) {
  const began = performance.now();
  const response = await sent(method, path, body, signal);
  const text = await response.text();
  const took = performance.now() - began;
  if (response.status === 401) {
    await askForKey();
    return ask(method, path, body, signal);
  }
  const answer = read(text);
  if (!response.ok) throw refusal(response, answer);
  return { answer, stages: stagesOf(response), took };
}

async function sent(method, path, body, signal) {
  const key = sessionStorage.getItem(KEY);
  const headers = {
    ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    ...(key === null ? {} : { Authorization: `Bearer ${key}` }),
  };
  try {
    return await fetch(path, { method, headers, signal, body: body === undefined ? undefined : written(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The service cannot be reached. Is it still running?");
  }
}

function refusal(response, answer) {
  const problem = answer?.error;
  const message = problem?.message ?? `The service answered ${response.status} ${response.statusText}`.trim();
  return new Failure(message, problem?.where ?? "", response.status);
}

function stagesOf(response) {
  return [...(response.headers.get("Server-Timing") ?? "").matchAll(/([\w-]+);dur=([\d.]+)/g)]
    .map(([, name, ms]) => [name, Number(ms)]);
}

let asking = null;

/** Asks for a key once, however many requests wait for it. */
function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("key");
    const input = byId("key-text");
    if (sessionStorage.getItem(KEY) !== null) byId("key-why").textContent = "This key is not known. Check it, and enter it again.";
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, input.value.trim());
      input.value = "";
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

/** JSON in which integers beyond 2^53 stay what they are: ids may be 64 bits wide. */
function read(text) {
  try {
    return JSON.parse(text, (_, value, context) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
        ? BigInt(context.source)
        : value);
  } catch {
    return null;
  }
}

function written(body) {
  return JSON.stringify(body, (_, value) => (typeof value === "bigint" ? JSON.rawJSON(String(value)) : value));
}
