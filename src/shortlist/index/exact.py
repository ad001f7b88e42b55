"""The exact index: every item scored; what the approximate ones are measured against.

Items pass by in blocks that stay in the processor's cache. Of a block only the scores above a floor are looked at,
the k-th best so far of their query, so that finding the best costs little beside the products.

Legend: U queries, Q queries of one block, I item rows, n item rows of one block, K nearest, D dim, P pairs.
"""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints, Longs, RaggedBag
from shortlist.index.base import Bools, eligible_rows, with_rows
from shortlist.index.best import Best, best_of_all

QUERIES = 128
"""Queries scored together: each item vector is read from memory once for all of them."""
BLOCK_FLOATS = 2**20
"""Scores held at once: 4 MiB, which stays in the cache, whatever the catalogue's size."""
_MOST_ITEMS = 2**17
"""Items of a block, where there are only a few queries."""
_AT_ONCE = 2**17
"""Most scores that are looked at all together."""
_MOST_GATHERED = 1 / 8
"""Largest part of the items that is gathered where a filter keeps no more: to copy a vector takes longer than to pass
it by."""
_MOST_KEPT = 2**22
"""Answers of a block of queries: bounds memory where nearly all items are asked for."""


class ExactIndex:
    """Highest dot products over all items. Row 0 stands for no item and is never found."""

    kind = "exact"

    def __init__(self, vectors_ID: Floats, eligible_I: Bools | None = None) -> None:
        """`eligible_I` marks the item rows that may be found; None for all but row 0."""
        self.vectors_ID = vectors_ID
        self.eligible_I = eligible_rows(len(vectors_ID), eligible_I)
        self._ineligible = np.flatnonzero(~self.eligible_I)

    def put(self, item_M: Ints, vector_MD: Floats) -> None:
        """See `Index.put`. Copies all vectors: change many at once."""
        self.vectors_ID, self.eligible_I = with_rows(self.vectors_ID, self.eligible_I, item_M, vector_MD)
        self._ineligible = np.flatnonzero(~self.eligible_I)

    def remove(self, item_M: Ints) -> None:
        """See `Index.remove`."""
        self.eligible_I[item_M] = False
        self._ineligible = np.flatnonzero(~self.eligible_I)

    def save(self, folder: Path) -> None:
        """The vectors are all it needs."""

    def search(
        self,
        query_UD: Floats,
        k: int,
        exclude: RaggedBag | None = None,
        allowed: RaggedBag | None = None,
        within_I: Bools | None = None,
    ) -> tuple[Ints, Floats]:
        """See `Index.search`."""
        if within_I is not None:
            return self._search_within(query_UD, k, exclude, allowed, within_I)
        if 0 < len(query_UD) * len(self.vectors_ID) <= _AT_ONCE:
            return self._search_at_once(query_UD, k, exclude, allowed)
        item_UK = np.zeros((len(query_UD), k), np.int32)
        score_UK = np.full((len(query_UD), k), -np.inf, np.float32)
        found = min(k, len(self.vectors_ID))
        block = min(QUERIES, max(1, _MOST_KEPT // max(found, 1)))
        for start in range(0, len(query_UD) if found else 0, block):
            rows = slice(start, start + block)
            excluded, within = (None if bag is None else _Pairs(bag, rows) for bag in (exclude, allowed))
            best = self._best(query_UD[rows], found, excluded, within)
            item_UK[rows, :found], score_UK[rows, :found] = best.sorted()
        return item_UK, score_UK

    def _search_at_once(
        self, query_UD: Floats, k: int, exclude: RaggedBag | None, allowed: RaggedBag | None
    ) -> tuple[Ints, Floats]:
        """All scores beside one another: for a few queries and items less work than to keep the best so far."""
        score_UI, items = query_UD @ self.vectors_ID.T, len(self.vectors_ID)
        if allowed is not None:
            outside_UI = np.ones(score_UI.shape, bool)
            outside_UI[allowed.below(items).flat()] = False
            score_UI[outside_UI] = -np.inf
        if exclude is not None:
            score_UI[exclude.below(items).flat()] = -np.inf
        score_UI[:, self._ineligible] = -np.inf
        return best_of_all(score_UI, k)

    def _search_within(
        self, query_UD: Floats, k: int, exclude: RaggedBag | None, allowed: RaggedBag | None, within_I: Bools
    ) -> tuple[Ints, Floats]:
        """Few items are gathered and searched by themselves; of many, the others are passed over."""
        eligible_I = self.eligible_I & within_I[: len(self.vectors_ID)]
        if np.count_nonzero(eligible_I) > _MOST_GATHERED * len(eligible_I):
            return ExactIndex(self.vectors_ID, eligible_I).search(query_UD, k, exclude, allowed)
        # Row 0 goes with them, as the one that stands for no item.
        row_M = np.concatenate([np.zeros(1, np.int32), np.flatnonzero(eligible_I).astype(np.int32)])
        left_out, chosen = (None if bag is None else _at_places(bag, row_M) for bag in (exclude, allowed))
        place_UK, score_UK = ExactIndex(self.vectors_ID[row_M]).search(query_UD, k, left_out, chosen)
        return row_M[place_UK], score_UK

    def _best(self, query_QD: Floats, k: int, exclude: _Pairs | None, allowed: _Pairs | None) -> Best:
        items, queries = len(self.vectors_ID), len(query_QD)
        block = min(items, _MOST_ITEMS, max(1, BLOCK_FLOATS // queries))
        query_DQ = np.ascontiguousarray(query_QD.T)
        score_nQ = np.empty((block, queries), np.float32)
        best = Best(queries, k)
        for start in range(0, items, block):
            stop = min(start + block, items)
            scores = np.matmul(self.vectors_ID[start:stop], query_DQ, out=score_nQ[: stop - start])
            if allowed is not None:
                outside_nQ = np.ones(scores.shape, bool)
                outside_nQ[allowed.between(start, stop)] = False
                scores[outside_nQ] = -np.inf
            if exclude is not None:
                scores[exclude.between(start, stop)] = -np.inf
            scores[self._ineligible[_between(self._ineligible, start, stop)] - start] = -np.inf
            best.add(scores, start)
        return best


def _at_places(bag: RaggedBag, row_M: Ints) -> RaggedBag:
    """The items of a bag that are among these ascending rows, each as its place in them."""
    query_P, item_P = bag.flat()
    place_P = np.minimum(np.searchsorted(row_M, item_P), len(row_M) - 1).astype(np.int32)
    kept_P = row_M[place_P] == item_P
    return RaggedBag(place_P[kept_P], np.searchsorted(query_P[kept_P], np.arange(len(bag) + 1)).astype(np.int64))


class _Pairs:
    """The items that a bag holds for some queries, by item."""

    def __init__(self, bag: RaggedBag, rows: slice) -> None:
        query_P, item_P = RaggedBag(bag.values, bag.offsets_n[rows.start : rows.stop + 1]).flat()
        order_P = np.argsort(item_P, kind="stable")
        self._query_P, self._item_P = query_P[order_P], item_P[order_P]

    def between(self, start: int, stop: int) -> tuple[Ints, Longs]:
        """Of the items from `start` to before `stop`: their distance from `start`, and the query."""
        inside = _between(self._item_P, start, stop)
        return self._item_P[inside] - np.int32(start), self._query_P[inside]


def _between(sorted_P: npt.NDArray[Any], start: int, stop: int) -> slice:
    """Where the numbers from `start` to before `stop` stand."""
    # For one or two numbers `bisect` is many times as fast as `numpy.searchsorted`.
    return slice(bisect_left(sorted_P, start), bisect_left(sorted_P, stop))
