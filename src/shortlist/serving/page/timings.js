// Where the time of an answer went.

import { byId, element } from "./elements.js";

const SHOWN_MS = 0.005;

/** Shows the server's stages `[name, ms]`, and how long the answer took to be here. */
export function showTimings(stages, took) {
  const total = stages.reduce((sum, [, ms]) => sum + ms, 0);
  const figure = byId("timings");
  figure.hidden = false;
  figure.querySelector("figcaption").textContent = stages.length
    ? `${total.toFixed(1)} ms in the server, round trip ${took.toFixed(0)} ms`
    : `Round trip ${took.toFixed(0)} ms`;
  const shown = stages.filter(([, ms]) => ms >= SHOWN_MS);
  figure.querySelector(".track").replaceChildren(...shown.map(([, ms]) => {
    const part = element("span");
    part.style.flexGrow = ms;
    return part;
  }));
  figure.querySelector("ul").replaceChildren(...shown.map(([name, ms]) =>
    element("li", {}, `${name} `, element("span", {}, ms.toFixed(2)))));
}
