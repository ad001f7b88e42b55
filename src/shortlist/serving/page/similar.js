// Items like a given one, in a dialogue from which one can go on to the next.

import { Failure, ask } from "./api.js";
import { byId, named } from "./elements.js";
import { showList } from "./list.js";

const MOST = 10;

/** Opens the dialogue for `item`. */
export async function showSimilar(item) {
  const dialog = byId("similar");
  const list = dialog.querySelector("ol");
  const error = dialog.querySelector(".error");
  byId("similar-title").textContent = `Like ${named(item)}`;
  error.textContent = "";
  if (!dialog.open) {
    list.replaceChildren();
    dialog.showModal();
  }
  try {
    const { answer } = await ask("GET", `v1/items/${encodeURIComponent(String(item.item_id))}/similar?n=${MOST}`);
    showList(list, answer.items, { actions: [["Similar", "similar", showSimilar]], scoreName: "cosine" });
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    list.replaceChildren();
    error.textContent = failure.message;
  }
}
