"""The exact index: every item scored, in blocks; what the approximate ones are measured against.

Legend: U queries, I item rows, K nearest, D dim.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints, RaggedBag

BLOCK_FLOATS = 2**24
"""Scores held at once: 64 MiB, whatever the catalogue's size."""


class ExactIndex:
    """Highest dot products over all items. Row 0 stands for no item and is never found."""

    def __init__(self, vectors_ID: Floats, eligible_I: npt.NDArray[np.bool_] | None = None) -> None:
        """`eligible_I` marks the item rows that may be found; None for all but row 0."""
        self.vectors_ID = vectors_ID
        ineligible_I = np.zeros(len(vectors_ID), bool) if eligible_I is None else ~eligible_I
        ineligible_I[0] = True
        self._ineligible = np.flatnonzero(ineligible_I)

    def search(
        self, query_UD: Floats, k: int, exclude: RaggedBag | None = None, allowed: RaggedBag | None = None
    ) -> tuple[Ints, Floats]:
        """item_UK and score_UK, best first; 0 and -inf where a query has fewer than k items left.

        `exclude` holds item rows of each query that must not be found, `allowed` those it may choose from.
        """
        queries, items = len(query_UD), len(self.vectors_ID)
        item_UK = np.zeros((queries, k), np.int32)
        score_UK = np.full((queries, k), -np.inf, np.float32)
        block = max(1, BLOCK_FLOATS // max(items, 1))
        for start in range(0, queries, block):
            rows = slice(start, min(start + block, queries))
            score_UI = query_UD[rows] @ self.vectors_ID.T
            score_UI[:, self._ineligible] = -np.inf
            if exclude is not None:
                score_UI[_pairs(exclude, rows)] = -np.inf
            if allowed is not None:
                inside_UI = np.zeros(score_UI.shape, bool)
                inside_UI[_pairs(allowed, rows)] = True
                score_UI[~inside_UI] = -np.inf
            found_UK, best_UK = top_k(score_UI, k)
            item_UK[rows, : found_UK.shape[1]] = np.where(np.isfinite(best_UK), found_UK, 0)
            score_UK[rows, : found_UK.shape[1]] = best_UK
        return item_UK, score_UK


def top_k(score_UI: Floats, k: int) -> tuple[Ints, Floats]:
    """Columns and values of the k highest scores of each row, best first; equal scores by the lower column."""
    place_UK = np.sort(_highest(score_UI, min(k, score_UI.shape[1])), axis=1)
    score_UK = np.take_along_axis(score_UI, place_UK, axis=1)
    order_UK = np.argsort(-score_UK, axis=1, kind="stable")
    return (
        np.take_along_axis(place_UK, order_UK, axis=1).astype(np.int32),
        np.take_along_axis(score_UK, order_UK, axis=1),
    )


def _highest(score_UI: Floats, k: int) -> npt.NDArray[np.int64]:
    """Columns of the k highest scores of each row, in any order; of equal scores the lowest columns."""
    rows, columns = score_UI.shape
    if k in {0, columns}:
        return np.broadcast_to(np.arange(k), (rows, k))
    place_UK = np.argpartition(-score_UI, k - 1, axis=1)[:, :k]
    last_U = np.take_along_axis(score_UI, place_UK, axis=1).min(axis=1)
    # A partition takes any of the equal scores around its end, so that answers would depend on its algorithm.
    for u in np.flatnonzero(np.isfinite(last_U)):
        equal = np.flatnonzero(score_UI[u] == last_U[u])
        if len(equal) > 1:
            above = np.flatnonzero(score_UI[u] > last_U[u])
            place_UK[u] = np.r_[above, equal[: k - len(above)]]
    return place_UK


def _pairs(bag: RaggedBag, rows: slice) -> tuple[npt.NDArray[np.int64], Ints]:
    """Row within the block and item of every value of the bag's rows."""
    return RaggedBag(bag.values, bag.offsets_n[rows.start : rows.stop + 1]).flat()
