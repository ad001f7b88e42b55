// Whose recommendations they are: what is known of them, and what they did.

import { byId, element, figure, named } from "./elements.js";

const SHOWN = 12;
const SHOWN_ON_A_PHONE = 3;

/** Shows `history`, oldest first, of `{item_id, title, type, time}`, of `events` in all, and `features` by name. */
export function showVisitor({ history, events, features, note }) {
  byId("known").textContent = note;
  byId("known").hidden = !note;
  byId("features").replaceChildren(...Object.entries(features).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, valueOf(value)))));
  showHistory([...history].reverse(), events, false);
}

function valueOf(value) {
  if (value === null) return "unknown";
  return Array.isArray(value) ? value.map(valueOf).join(", ") : figure(value);
}

function showHistory(newest, events, isAll) {
  const list = byId("history");
  list.replaceChildren(...(isAll ? newest : newest.slice(0, SHOWN)).map(line));
  list.classList.toggle("all", isAll);
  const more = byId("all");
  more.hidden = isAll || newest.length <= SHOWN_ON_A_PHONE;
  // The style sheet shows fewer events on a phone, so there the button may be needed where elsewhere it is not.
  more.classList.toggle("phone-only", newest.length <= SHOWN);
  more.textContent = newest.length < events ? `Show the latest ${newest.length} of ${events}` : `Show all ${events}`;
  more.onclick = () => showHistory(newest, events, true);
}

const line = (event) => element("li", {},
  element("span", { class: "title" }, named(event)),
  element("span", { class: "quiet" }, ...about(event)));

function about({ type, time }) {
  const typed = type === null || type === undefined ? [] : [String(type)];
  const timed = time === null || time === undefined ? [] : [timeOf(new Date(time))];
  return typed.length && timed.length ? [...typed, " · ", ...timed] : [...typed, ...timed];
}

const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const hours = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** The day, or of today the hour. */
function timeOf(moment) {
  const isToday = moment.toDateString() === new Date().toDateString();
  const shown = (isToday ? hours : days).format(moment);
  return element("time", { datetime: moment.toISOString(), title: moment.toLocaleString() }, shown);
}
