// The page: which visitor, which wishes, and what follows from them.

import { Failure, ask } from "./api.js";
import { changes, goneText, summary } from "./changes.js";
import { byId, element, named, sayAt } from "./elements.js";
import { showList } from "./list.js";
import { showRows } from "./rows.js";
import { showSimilar } from "./similar.js";
import { showTimings } from "./timings.js";
import { showVisitor } from "./visitor.js";

const TYPING_MS = 400;

let about;
/** `id` is null where the bundle has no users; `told` are events that the service does not keep. */
let visitor = { id: null, isFresh: true, told: [] };
/** Null until somebody moves the slider: the bundle's own rules hold. */
let diversity = null;
let shown = [];
/** What the list says of its changes: null where it is not compared with the one before. */
let lastChanged = null;
let underway = new AbortController();

start();

async function start() {
  await guarded("start", async () => {
    ({ answer: about } = await ask("GET", "v1/about"));
    showBundle(about);
    document.title = `${about.bundle.name} · Shortlist`;
    if (about.item_ids !== null) await openShop();
    else if (about.row.length) showRows(about.row);
    else throw new Failure("This bundle has neither items to recommend nor a model that predicts rows.");
  }, start);
}

async function openShop() {
  const knowsUsers = about.user_ids !== null;
  for (const id of ["user-field", "show", "another"]) byId(id).hidden = !knowsUsers;
  byId("another").hidden ||= about.users.length < 2;
  byId("users").replaceChildren(...about.users.map((id) => element("option", { value: String(id) })));
  byId("choice").replaceChildren(element("option", { value: "" }, "everything"), ...about.columns.map(group));
  byId("choice-field").hidden = byId("filter-field").hidden = !about.can_filter;
  byId("filter").placeholder = about.columns[0]?.choices[0]?.filter ?? "";
  listen();
  byId("shop").hidden = false;
  await (about.users.length ? choose(about.users[0]) : meetNewVisitor());
}

/** Which bundle answered: another one may take over at any time, or several be compared. */
function showBundle({ bundle, variant }) {
  const said = [bundle.name, bundle.version.slice(0, 8), ...(variant ? [`variant ${variant}`] : [])];
  byId("bundle").textContent = said.join(" · ");
}

const group = (column) => element("optgroup", { label: column.name }, ...column.choices.map((choice) =>
  element("option", { value: choice.filter }, `${choice.value} (${choice.items})`)));

function listen() {
  onSubmit("who", chooseTyped);
  byId("user").addEventListener("change", chooseTyped);
  byId("user").addEventListener("focus", () => byId("user").select());
  byId("another").addEventListener("click", () => choose(otherThan(about.users, visitor.id)));
  byId("fresh").addEventListener("click", meetNewVisitor);
  onSubmit("wishes", () => recommend());
  byId("choice").addEventListener("change", () => {
    byId("filter").value = byId("choice").value;
    recommend();
  });
  byId("filter").addEventListener("input", afterTyping(() => {
    byId("choice").value = [...byId("choice").options].some(({ value }) => value === wishedFilter()) ? wishedFilter() : "";
    recommend();
  }));
  byId("n").addEventListener("input", afterTyping(() => recommend()));
  byId("explain").addEventListener("change", () => recommend({ changed: lastChanged }));
  byId("diversity").addEventListener("input", () => {
    diversity = Number(byId("diversity").value);
    byId("diversity-value").textContent = diversity.toFixed(1);
  });
  byId("diversity").addEventListener("change", () => recommend({ after: "With this diversity" }));
}

function onSubmit(id, act) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

function afterTyping(act) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, TYPING_MS);
  };
}

const wishedFilter = () => byId("filter").value.trim();

const otherThan = (ids, id) => ids[(ids.findIndex((one) => String(one) === String(id)) + 1) % ids.length];

/* Who */

async function chooseTyped() {
  const id = typedUser(byId("user").value.trim());
  if (id !== null && String(id) !== String(visitor.id)) await choose(id);
}

/** What is typed as the bundle's kind of id; null, and said so, where it can be none. */
function typedUser(text) {
  const isInteger = /^-?\d+$/.test(text);
  if (text === "") sayAt(byId("user"), "Enter the id of a user.");
  else if (about.user_ids === "int" && !isInteger) sayAt(byId("user"), "The ids of this bundle's users are whole numbers.");
  else if (about.user_ids === "int") return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  else return text;
  return null;
}

const choose = (id) => meet({ id, isFresh: false, told: [] });

const meetNewVisitor = () => meet({ id: freshId(), isFresh: true, told: [] });

async function meet(newcomer) {
  visitor = newcomer;
  shown = [];
  byId("user").value = visitor.id ?? "";
  sayAt(byId("user"), "");
  await Promise.all([showWho(), recommend()]);
}

function freshId() {
  if (about.user_ids === null) return null;
  const number = 2 ** 40 + Math.floor(Math.random() * 2 ** 50);
  return about.user_ids === "int" ? number : `visitor-${number.toString(36)}`;
}

async function showWho() {
  const asked = visitor;
  await guarded("who", async () => {
    const known = await whatIsKnown(asked.id);
    if (asked === visitor) showVisitor({ ...known, ...withTold(known, asked.told), note: noteOn(known, asked) });
  }, showWho);
}

async function whatIsKnown(id) {
  if (id === null) return { history: [], events: 0, features: {} };
  const { answer } = await ask("GET", `v1/users/${encodeURIComponent(String(id))}`);
  return { ...answer, features: answer.known_by_bundle || answer.known_by_state ? answer.features : {} };
}

const withTold = ({ history, events }, told) => ({ history: [...history, ...told], events: events + told.length });

function noteOn({ events }, { id, isFresh, told }) {
  if (events + told.length) return "";
  return isFresh ? "A new visitor. Nothing is known yet: react to an item, and the list follows." : `No events of user ${id} are known.`;
}

/* What for them */

/** Asks for the list. `after` says what happened before, and has what changed since be marked, unless it is given. */
async function recommend({ after = null, changed = null } = {}) {
  underway.abort();
  underway = new AbortController();
  const { signal } = underway;
  const before = shown;
  byId("list").setAttribute("aria-busy", "true");
  for (const id of ["filter", "n"]) sayAt(byId(id), "");
  await guarded("list", async () => {
    const { answer, stages, took } = await ask("POST", "v1/recommend", wishes(), signal);
    shown = answer.items;
    lastChanged = after === null ? changed : { after, ...changes(before, shown) };
    show(answer, lastChanged);
    showTimings(stages, took);
  }, () => recommend({ after, changed }));
  if (!signal.aborted) byId("list").removeAttribute("aria-busy");
}

function wishes() {
  const filter = wishedFilter();
  return {
    ...(visitor.id === null ? {} : { user_id: visitor.id }),
    ...(visitor.told.length ? { history: visitor.told.map(({ item_id: item, type }) => ({ item, type })) } : {}),
    n: byId("n").value === "" ? 10 : Number(byId("n").value),
    ...(filter ? { filter } : {}),
    ...(diversity === null ? {} : { diversity }),
    explain: byId("explain").checked,
  };
}

function show(answer, changed) {
  showBundle(answer);
  showList(byId("list"), answer.items, { marks: changed?.marks, actions: actions() });
  if (!answer.items.length) byId("list").append(element("li", { class: "empty" }, "Nothing fits."));
  const fallback = answer.fallback ? ` The time budget was spent: this is ${answer.fallback} alone.` : "";
  byId("change").textContent = (changed === null ? counted(answer.items.length) : `${changed.after}: ${summary(changed)}`) + fallback;
  byId("gone").hidden = !changed?.gone.length;
  byId("gone").textContent = changed === null ? "" : goneText(changed.gone);
}

const counted = (count) => (count === 1 ? "1 item." : `${count} items.`);

function actions() {
  const types = about.event_types.length ? about.event_types : [null];
  return [
    ...types.map((type) => [type === null ? "Click" : String(type), `event-${type}`, (item) => tell(item, type)]),
    ...(about.has_similar ? [["Similar", "similar", showSimilar]] : []),
  ];
}

/** Sends an event, or keeps it where the service keeps none, and shows what follows. */
async function tell(item, type) {
  await guarded("event", async () => {
    if (about.keeps_events && visitor.id !== null) {
      await ask("POST", "v1/events", { events: [{ user_id: visitor.id, item: item.item_id, ...(type === null ? {} : { type }) }] });
    } else {
      visitor.told.push({ ...item, type, time: new Date().toISOString() });
    }
    await Promise.all([showWho(), recommend({ after: `After ${type ?? "a click"} of ${named(item)}` })]);
  }, () => tell(item, type));
}

/* What goes wrong */

/** Does `act`; what is refused is said where it belongs, or in a notice that stays until the same act succeeds. */
async function guarded(name, act, again) {
  const notice = byId("failure");
  try {
    await act();
    notice.hidden ||= notice.dataset.of === name;
  } catch (failure) {
    if (failure.name === "AbortError") return;
    if (!(failure instanceof Failure)) throw failure;
    const input = placeOf(failure);
    if (input !== null) {
      sayAt(input, failure.message);
      return;
    }
    notice.dataset.of = name;
    notice.querySelector("p").textContent = failure.message;
    notice.querySelector("button").onclick = again;
    notice.hidden = false;
  }
}

/** The input that a refusal is about, if it is one of them. */
function placeOf({ where, message }) {
  const part = message.startsWith("filter") ? "filter" : where;
  return { filter: byId("filter"), n: byId("n"), user_id: byId("user") }[part] ?? null;
}
