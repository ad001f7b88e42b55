// The recommendations: rank, title, score, source, what has changed, and on request the reasons.

import { bar, element, figure, named, scored } from "./elements.js";

/** Shows `items` in `list`; `actions` are `[label, key, (item) => ...]` of the buttons that each item gets. */
export function showList(list, items, { marks = new Map(), actions = [], scoreName = "score" } = {}) {
  const before = places(list);
  const focus = focused(list);
  const scales = scalesOf(items);
  list.replaceChildren(...items.map((item, rank) => row(item, rank, marks, actions, scales, scoreName)));
  slide(list, before);
  refocus(list, focus);
}

function row(item, rank, marks, actions, scales, scoreName) {
  const mark = marks.get(String(item.item_id));
  return element("li", { "data-id": String(item.item_id), class: mark === "new" ? "fresh" : null },
    element("span", { class: "rank" }, String(rank + 1)),
    element("div", { class: "what" },
      element("p", { class: "title" }, named(item), " ", markOf(mark)),
      element("p", { class: "quiet" }, ...about(item)),
      item.predictions && predictions(item.predictions)),
    element("p", { class: "score" }, scored(item.score), element("span", { class: "quiet" }, scoreName)),
    element("div", { class: "actions" }, ...actions.map(([label, key, act]) =>
      element("button", { type: "button", class: "plain", "data-key": key, "aria-label": `${label}: ${named(item)}`, onclick: () => act(item) }, label))),
    item.reasons && reasons(item.reasons, scales));
}

function about(item) {
  const id = item.title === null || item.title === undefined ? [] : [element("code", {}, String(item.item_id)), " · "];
  return [...id, item.source];
}

function markOf(mark) {
  if (mark === "new") return element("span", { class: "mark" }, "new");
  if (!mark) return null;
  const way = mark > 0 ? "up" : "down";
  return element("span", { class: "mark moved" },
    element("span", { "aria-hidden": "true" }, `${mark > 0 ? "↑" : "↓"}${Math.abs(mark)}`),
    element("span", { class: "unseen" }, `${way} ${Math.abs(mark)}`));
}

const predictions = (values) => element("p", { class: "quiet" },
  Object.entries(values).map(([target, value]) => `${target} ${figure(value)}`).join(" · "));

const STAGES = ["retrieval", "ranking", "final"];

/** Of each stage the lowest and the highest score of the list: a bar shows a place between them. */
function scalesOf(items) {
  const given = items.filter((item) => item.reasons);
  return new Map(STAGES.map((stage) => {
    const scores = given.map((item) => item.reasons[stage]).filter((score) => typeof score === "number");
    return [stage, [Math.min(...scores), Math.max(...scores)]];
  }));
}

function reasons(why, scales) {
  const known = STAGES.filter((stage) => typeof why[stage] === "number");
  return element("div", { class: "reasons" },
    element("dl", { class: "measures" }, ...known.map((stage) => {
      const [low, high] = scales.get(stage);
      const part = high > low ? (why[stage] - low) / (high - low) : 1;
      return element("div", {},
        element("dt", {}, stage),
        element("dd", { class: "measure" }, bar(part), element("span", {}, scored(why[stage]))));
    })),
    element("dl", { class: "facts" },
      ...told("proposed by", why.sources.length > 1 ? why.sources : []),
      ...told("close to", why.history.map((near) => `${named(near)} (${figure(near.cosine)})`)),
      ...told("rules", why.rules)));
}

const told = (name, texts) => (texts.length ? [element("dt", {}, name), element("dd", {}, texts.join("; "))] : []);

const places = (list) => new Map([...list.children].map((row) => [row.dataset.id, row.getBoundingClientRect().top]));

/** Lets what was there before move to its new place, so that the eye can follow it. */
function slide(list, before) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const row of list.children) {
    const old = before.get(row.dataset.id);
    const from = old === undefined ? 0 : old - row.getBoundingClientRect().top;
    if (from) row.animate([{ transform: `translateY(${from}px)` }, { transform: "none" }], { duration: 260, easing: "ease-out" });
  }
}

/** Which button has the focus, by the rank of its row. */
function focused(list) {
  const button = document.activeElement;
  return list.contains(button) ? [[...list.children].indexOf(button.closest("li")), button.dataset.key] : null;
}

/** The item that was clicked may be gone: whoever goes by keyboard stays at the same rank. */
function refocus(list, focus) {
  if (focus === null) return;
  const row = list.children[Math.min(focus[0], list.children.length - 1)];
  row?.querySelector(`[data-key="${CSS.escape(focus[1])}"]`)?.focus({ preventScroll: true });
}
