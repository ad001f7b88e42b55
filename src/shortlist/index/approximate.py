"""What all approximate indexes do alike: how far to look, what to leave out, and when to look at every item after all.

Legend: U queries, Q queries of one block, K nearest, M found, I item rows, D dim.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from shortlist.features.rows import Floats, Ints, Longs, RaggedBag
from shortlist.index.base import Bools, eligible_rows
from shortlist.index.best import keys, scores

QUERIES = 128
"""Queries searched together."""
FEW = 2**14
"""So many allowed items are looked at one by one: that is faster than to search an index for them."""
_SPARE = 1.25
"""How much further to look than the share of allowed items says, as they are never spread evenly."""
_ROWS = 2**16
"""Vectors held at once where every item is looked at."""


@dataclass(frozen=True)
class Effort:
    """How much an index must look at, by how many of the nearest it is to find: a power law through what was measured.

    A filter that keeps one item in ten needs ten times as many of the nearest, and that many more lists.
    """

    at_depth: Mapping[int, int]
    """At a number of nearest the lists, or the length of the queue, that reach the recall."""
    most: int

    def of(self, depth: int) -> int:
        """For `depth` nearest."""
        (first, least), *others = sorted(self.at_depth.items())
        if depth <= first or not others:
            return min(least, self.most)
        last, much = others[-1]
        slope = math.log(max(much, least) / least) / math.log(last / first)
        return int(min(math.ceil(least * (depth / first) ** slope), self.most))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"at_depth": {str(depth): effort for depth, effort in self.at_depth.items()}, "most": self.most}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Effort:
        """What `to_json` gave."""
        return cls({int(depth): effort for depth, effort in values["at_depth"].items()}, values["most"])


class Approximate(ABC):
    """Searches by `_nearest`, and makes sure that k are found wherever k are left."""

    kind: ClassVar[str]
    structure: ClassVar[str]
    """What it is made of; no two classes have the same."""

    def __init__(self, items: int, eligible_I: Bools | None, most: int) -> None:
        """`most` is the effort beyond which nothing more is found; it is made until `effort` says less."""
        self.eligible_I = eligible_rows(items, eligible_I)
        self.effort = Effort({1: most}, most)
        self.apart_M: Ints = np.zeros(0, np.int32)
        """Items that would be missed, and are each looked at: where distance is gone by those longer than any was when
        the index was built, beside a table all that came later."""

    @abstractmethod
    def _nearest(self, query_QD: Floats, depth: int, effort: int) -> tuple[Ints, Floats]:
        """item_QM and score_QM of about `depth` items that are near, in any order; 0 for none."""

    @abstractmethod
    def _scores(self, query_D: Floats, item_M: Ints) -> Floats:
        """score_M of these items, in their order."""

    @abstractmethod
    def put(self, item_M: Ints, vector_MD: Floats) -> None:
        """See `Index.put`."""

    @abstractmethod
    def remove(self, item_M: Ints) -> None:
        """See `Index.remove`."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """See `Index.save`."""

    def search(
        self,
        query_UD: Floats,
        k: int,
        exclude: RaggedBag | None = None,
        allowed: RaggedBag | None = None,
        within_I: Bools | None = None,
    ) -> tuple[Ints, Floats]:
        """See `Index.search`."""
        item_UK = np.zeros((len(query_UD), k), np.int32)
        score_UK = np.full((len(query_UD), k), -np.inf, np.float32)
        if k == 0 or not self.eligible_I.any():
            return item_UK, score_UK
        if allowed is not None or within_I is not None:
            open_I = self.eligible_I if within_I is None else self.eligible_I & within_I[: len(self.eligible_I)]
            for u in range(len(query_UD)):
                left_I = _left(open_I, exclude, allowed, u)
                _put(item_UK[u], score_UK[u], *self._filtered(query_UD[u], k, left_I))
            return item_UK, score_UK
        count_U = np.zeros(len(query_UD), np.int64) if exclude is None else exclude.counts()
        for depth, rows_Q in _alike(k + count_U):
            left_out = None if exclude is None else exclude.rows(rows_Q)
            item_UK[rows_Q], score_UK[rows_Q] = self._unfiltered(query_UD[rows_Q], k, left_out, depth)
        return item_UK, score_UK

    def _unfiltered(self, query_QD: Floats, k: int, exclude: RaggedBag | None, depth: int) -> tuple[Ints, Floats]:
        item_QM, score_QM = self.near(query_QD, depth)
        score_QM = np.where(self.eligible_I[item_QM], score_QM, np.float32(-np.inf))
        if exclude is not None:
            score_QM = np.where(_pairs_in(item_QM, exclude, len(self.eligible_I)), np.float32(-np.inf), score_QM)
        item_QK, score_QK = _best_each(item_QM, score_QM, k)
        for q in np.flatnonzero(item_QK[:, -1] == 0):
            item_QK[q], score_QK[q] = 0, -np.inf
            _put(item_QK[q], score_QK[q], *self._exact(query_QD[q], k, _left(self.eligible_I, exclude, None, int(q))))
        return item_QK, score_QK

    def _filtered(self, query_D: Floats, k: int, within_I: Bools) -> tuple[Ints, Floats]:
        left = int(np.count_nonzero(within_I))
        depth = math.ceil(_SPARE * k * np.count_nonzero(self.eligible_I) / max(left, 1))
        if left <= FEW or depth > left:
            return self._exact(query_D, k, within_I)
        item_1M, score_1M = self.near(query_D[None], depth)
        kept_M = within_I[item_1M[0]]
        item_M, score_M = _best(item_1M[0, kept_M], score_1M[0, kept_M], k)
        return (item_M, score_M) if len(item_M) == k else self._exact(query_D, k, within_I)

    def near(self, query_QD: Floats, depth: int) -> tuple[Ints, Floats]:
        """item_QM and score_QM of about `depth` items, in any order, by the effort alone: more are not looked for."""
        query_QD = np.ascontiguousarray(query_QD, np.float32)
        item_QM, score_QM = self._nearest(query_QD, depth, self.effort.of(depth))
        if not len(self.apart_M):
            return item_QM, score_QM
        item_QM = np.where(np.isin(item_QM, self.apart_M), 0, item_QM)
        apart_QM = np.tile(self.apart_M, (len(query_QD), 1))
        apart_score_QM = np.stack([self._scores(query_D, self.apart_M) for query_D in query_QD])
        return np.hstack([item_QM, apart_QM]), np.hstack([score_QM, apart_score_QM])

    def _set_apart(self, item_M: Ints, vector_MD: Floats, length: float) -> None:
        """Of items with new vectors those that are longer than `length`."""
        is_longer_M = np.linalg.norm(vector_MD, axis=1) > length * (1 + 1e-5)
        others_M = np.setdiff1d(self.apart_M, item_M)
        self.apart_M = np.union1d(others_M, item_M[is_longer_M]).astype(np.int32)

    def _exact(self, query_D: Floats, k: int, within_I: Bools) -> tuple[Ints, Floats]:
        """The best `k` of these items, each of them looked at."""
        row_M = np.flatnonzero(within_I).astype(np.int32)
        item_K, score_K = np.zeros(0, np.int32), np.zeros(0, np.float32)
        for start in range(0, len(row_M), _ROWS):
            block_M = row_M[start : start + _ROWS]
            score_M = np.concatenate([score_K, self._scores(query_D, block_M)])
            item_K, score_K = _best(np.concatenate([item_K, block_M]), score_M, k)
        return item_K, score_K


def _left(open_I: Bools, exclude: RaggedBag | None, allowed: RaggedBag | None, u: int) -> Bools:
    """Of the item rows that are open to all, those that query `u` may find."""
    if allowed is None:
        left_I = open_I.copy()
    else:
        left_I, item_M = np.zeros(len(open_I), bool), _of(allowed, u)
        left_I[item_M] = open_I[item_M]
    if exclude is not None:
        left_I[_of(exclude, u)] = False
    return left_I


def _alike(depth_U: Longs) -> Iterator[tuple[int, Longs]]:
    """Queries that look equally far, some at a time, and how far: a power of two, from `depth_U` up.

    How far a query looks, and with it what is found, is its own affair: the same whoever else is asking.
    """
    power_U = np.left_shift(1, np.frexp(depth_U - 1)[1].astype(np.int64))
    for power in np.unique(power_U).tolist():
        row_M = np.flatnonzero(power_U == power)
        for start in range(0, len(row_M), QUERIES):
            yield power, row_M[start : start + QUERIES]


def _of(bag: RaggedBag, u: int) -> Ints:
    return bag.values[bag.offsets_n[u] : bag.offsets_n[u + 1]]


def _put(item_K: Ints, score_K: Floats, item_M: Ints, score_M: Floats) -> None:
    item_K[: len(item_M)], score_K[: len(item_M)] = item_M, score_M


def _pairs_in(item_QM: Ints, bag: RaggedBag, items: int) -> Bools:
    """Whether each query's bag holds the item."""
    row_P, item_P = bag.flat()
    start_Q1 = np.arange(len(item_QM), dtype=np.int64)[:, None] * items
    # By its own choice NumPy makes a table of the whole range of numbers: too long for a few of a large catalogue.
    return np.isin(start_Q1 + item_QM, row_P * items + item_P, kind="sort")


def _best_each(item_QM: Ints, score_QM: Floats, k: int) -> tuple[Ints, Floats]:
    """The best `k` of each query; 0 and -inf where there are fewer."""
    short = k - item_QM.shape[1]
    if short > 0:
        item_QM = np.pad(item_QM, ((0, 0), (0, short)))
        score_QM = np.pad(score_QM, ((0, 0), (0, short)), constant_values=-np.inf)
    found_QM = (item_QM > 0) & (score_QM > -np.inf)
    item_QM, score_QM = np.where(found_QM, item_QM, 0), np.where(found_QM, score_QM, np.float32(-np.inf))
    key_QK = np.sort(keys(score_QM, item_QM), axis=1)[:, :k]
    return (key_QK & np.uint64(2**32 - 1)).astype(np.int32), scores(key_QK)


def _best(item_M: Ints, score_M: Floats, k: int) -> tuple[Ints, Floats]:
    """At most `k` of one query; a score that is -inf or no number is none."""
    found_M = score_M > -np.inf
    item_M, score_M = item_M[found_M], score_M[found_M]
    if len(item_M) > k:
        kth = np.partition(score_M, len(score_M) - k)[len(score_M) - k] if k else np.inf
        item_M, score_M = item_M[score_M >= kth], score_M[score_M >= kth]
    order_M = np.argsort(keys(score_M, item_M))[:k]
    return item_M[order_M], score_M[order_M]
