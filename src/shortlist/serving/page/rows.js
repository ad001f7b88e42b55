// A log without items: a row to fill in, and what is predicted of it.

import { Failure, ask } from "./api.js";
import { bar, byId, element, figure } from "./elements.js";

/** Shows a form of these columns, `{name, value, choices}`, filled with a row that the bundle knows. */
export function showRows(columns) {
  byId("rows").hidden = false;
  const form = byId("row");
  form.replaceChildren(...columns.map(field), element("button", {}, "Predict"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    predict(columns, form);
  });
  predict(columns, form);
}

function field(column, place) {
  const id = `row-${place}`;
  return element("div", { class: "field" },
    element("label", { for: id }, column.name),
    element("input", { id, name: column.name, list: `${id}-choices`, value: String(column.value ?? ""), autocomplete: "off" }),
    element("datalist", { id: `${id}-choices` }, ...column.choices.map((value) => element("option", { value: String(value) }))));
}

async function predict(columns, form) {
  const error = byId("row-error");
  error.textContent = "";
  try {
    const { answer } = await ask("POST", "v1/rank", { rows: [rowOf(columns, form)] });
    byId("predictions").replaceChildren(...Object.entries(answer.predictions).flatMap(([target, [value]]) => shown(target, value)));
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    byId("predictions").replaceChildren();
    error.textContent = failure.message;
  }
}

/** What is filled in; an empty field is a missing value. */
function rowOf(columns, form) {
  const row = {};
  for (const column of columns) {
    const text = form.elements[column.name].value.trim();
    if (text !== "") row[column.name] = typeof column.value === "number" && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  return row;
}

function shown(target, value) {
  if (typeof value === "number") return line(target, value);
  return Object.entries(value).flatMap(([name, chance]) => line(`${target}: ${name}`, chance));
}

const line = (name, value) => [
  element("dt", {}, name),
  element("dd", { class: "measure" }, value >= 0 && value <= 1 ? bar(value) : null, element("span", {}, figure(value))),
];
