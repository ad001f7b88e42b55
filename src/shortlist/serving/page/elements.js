// Elements, made so that what a bundle says is always text and never markup.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** `element("p", {class: "quiet"}, "text", other)`: a function as `on...` listens, null and false leave out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A bar that fills `part` (0 to 1) of its place; the figure beside it says the same in words. */
export function bar(part) {
  const fill = element("span");
  fill.style.width = `${Math.max(2, Math.min(100, 100 * part))}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, fill);
}

/** Says what is wrong with what stands in `input`, or with `""` that nothing is. */
export function sayAt(input, message) {
  byId(`${input.id}-error`).textContent = message;
  if (message) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

const figures = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });

/** A number in three figures. */
export const figure = (value) => (typeof value === "number" ? figures.format(value) : String(value));

const scores = new Intl.NumberFormat(undefined, { minimumFractionDigits: 3, maximumFractionDigits: 3 });

/** A score, with its decimals below those of its neighbours. */
export const scored = (value) => scores.format(value).replace("-", "\u2212");

/** What a person calls an item. */
export const named = (item) => item.title ?? String(item.item_id);
