// In what two lists differ.

import { named } from "./elements.js";

const idOf = (item) => String(item.item_id);

/**
 * Of each item of `after`, by its id: "new", or by how many places it rose (above 0) or fell; and what is gone.
 *
 * Places are counted among the items that both lists have: one that moves up because another one left has not moved.
 */
export function changes(before, after) {
  const now = new Set(after.map(idOf));
  const place = new Map(before.map(idOf).filter((id) => now.has(id)).map((id, rank) => [id, rank]));
  const kept = after.map(idOf).filter((id) => place.has(id));
  const marks = new Map(after.map((item) => [idOf(item), "new"]));
  kept.forEach((id, rank) => marks.set(id, place.get(id) - rank));
  return { marks, gone: before.filter((item) => !now.has(idOf(item))) };
}

/** The same in a sentence. */
export function summary({ marks, gone }) {
  const all = [...marks.values()];
  const fresh = all.filter((mark) => mark === "new").length;
  const moved = all.filter((mark) => mark !== "new" && mark !== 0).length;
  if (!fresh && !moved && !gone.length) return "the list is the same.";
  return `${fresh} new, ${moved} moved, ${gone.length} gone.`;
}

/** The items that are gone, by their titles. */
export const goneText = (gone) => `Gone: ${gone.map(named).join(", ")}`;
