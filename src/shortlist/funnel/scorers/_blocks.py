"""Scorers that score all items for some requests at once, and the best of these.

Legend: U requests, Q requests of one block, I item rows, K candidates, N events, P pairs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints, Longs, RaggedBag
from shortlist.funnel.columns import Bools, Requests
from shortlist.funnel.scorers._base import Scorer
from shortlist.index.best import Best

BLOCK_SCORES = 2**20
"""Scores held at once, whatever the catalogue's size."""
_MOST_REQUESTS = 512


@dataclass(frozen=True, slots=True)
class Pasts:
    """The distinct items of the histories of Q requests."""

    items: RaggedBag
    """Item rows of each request, ascending."""
    weights: Floats
    """Of each of the items' values."""


def pasts(requests: Requests, rows: slice, items: int, half_life: float | None) -> Pasts:
    """Each item of a history once, unknown ones left out.

    With `half_life` the latest event of an item weighs half as much for each so many events that followed it.
    """
    bag = requests.history.items
    offsets_n = bag.offsets_n[rows.start : rows.stop + 1]
    query_N, item_N = RaggedBag(bag.values, offsets_n).flat()
    queries = len(offsets_n) - 1
    # From the last event on, so that of an item's events the latest is the one that is found.
    key_N = (query_N * items + item_N)[::-1]
    known_N = (item_N[::-1] > 0) & (item_N[::-1] < items)
    key_P, place_P = np.unique(np.where(known_N, key_N, -1), return_index=True)
    key_P, place_P = key_P[key_P >= 0], place_P[key_P >= 0]
    query_P, item_P = np.divmod(key_P, items)
    weight_P = np.ones(len(item_P), np.float32)
    if half_life is not None:
        event_P = offsets_n[-1] - 1 - place_P
        weight_P = (0.5 ** ((offsets_n[query_P + 1] - 1 - event_P) / half_life)).astype(np.float32)
    offsets_Q = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(query_P, minlength=queries))])
    return Pasts(RaggedBag(item_P.astype(np.int32), offsets_Q), weight_P)


class BlockScorer(Scorer):
    """Scores all items for a block of requests, and takes the best.

    `width` numbers are held for each request of a block: one for each item, where a scorer says no more.

    An item's score is 0 where nothing speaks for or against it. Where too few have another score such items fill the
    list, the lower row first: rows are given by falling number of events, so that whoever has no history gets the most
    popular items.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any], eligible_I: Bools) -> None:
        super().__init__(arrays, settings, eligible_I)
        self.items = self.width = len(eligible_I)
        self._ineligible = np.flatnonzero(~eligible_I | (np.arange(self.items) == 0))

    @abstractmethod
    def block(self, requests: Requests, rows: slice) -> Floats:
        """score_IQ of every item for the requests at `rows`, an array of its own."""

    def best(self, requests: Requests, k: int) -> tuple[Ints, Floats]:
        """item_UK and score_UK, best first."""
        item_UK = np.zeros((len(requests), k), np.int32)
        score_UK = np.full((len(requests), k), -np.inf, np.float32)
        found = min(k, self.items)
        for rows in self._rows(len(requests)) if found else ():
            item_UK[rows, :found], score_UK[rows, :found] = self._best(requests, rows, found)
        return item_UK, score_UK

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items."""
        score_UK = np.empty(item_UK.shape, np.float32)
        for rows in self._rows(len(requests)):
            score_UK[rows] = np.take_along_axis(self.block(requests, rows), item_UK[rows].T.astype(np.int64), 0).T
        return score_UK

    def _rows(self, requests: int) -> Iterator[slice]:
        size = min(_MOST_REQUESTS, max(1, BLOCK_SCORES // self.width))
        for start in range(0, requests, size):
            yield slice(start, min(start + size, requests))

    def _best(self, requests: Requests, rows: slice, k: int) -> tuple[Ints, Floats]:
        score_IQ = self.block(requests, rows)
        # Where nothing speaks against items, those that nothing speaks for are not worth sorting.
        fills = not (score_IQ < 0).any()
        self._mask(score_IQ, requests, rows)
        best = Best(score_IQ.shape[1], k)
        best.add(np.where(score_IQ == 0, -np.inf, score_IQ) if fills else score_IQ, 0)
        item_QK, score_QK = best.sorted()
        if fills:
            _fill(item_QK, score_QK, score_IQ)
        return item_QK, score_QK

    def _mask(self, score_IQ: Floats, requests: Requests, rows: slice) -> None:
        """-inf for what may not be found."""
        if requests.allowed is not None:
            outside_IQ = np.ones(score_IQ.shape, bool)
            outside_IQ[self._pairs(requests.allowed, rows)] = False
            score_IQ[outside_IQ] = -np.inf
        if requests.within_I is not None:
            score_IQ[~requests.within_I] = -np.inf
        score_IQ[self._pairs(requests.exclude, rows)] = -np.inf
        score_IQ[self._ineligible] = -np.inf

    def _pairs(self, bag: RaggedBag, rows: slice) -> tuple[Ints, Longs]:
        query_P, item_P = RaggedBag(bag.values, bag.offsets_n[rows.start : rows.stop + 1]).flat()
        inside_P = item_P < self.items
        return item_P[inside_P], query_P[inside_P]


def _fill(item_QK: Ints, score_QK: Floats, score_IQ: Floats) -> None:
    """Put items of score 0 where lists are short."""
    for query in np.flatnonzero(item_QK[:, -1] == 0):
        found = np.count_nonzero(item_QK[query])
        more = np.flatnonzero(score_IQ[:, query] == 0)[: item_QK.shape[1] - found]
        item_QK[query, found : found + len(more)] = more
        score_QK[query, found : found + len(more)] = 0
