"""The k best of scores that come in blocks.

A score and its item are one whole number, the smaller the better: the score's bits above, so turned that they fall as
it rises, and the item below, so that of equal scores the lower item is the better one. No two are equal, so what is
found depends on no algorithm's way with ties.

Legend: Q queries, n item rows of one block, W places for a query, K best, M scores above the floor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints

Keys = npt.NDArray[np.uint64]

_GROUPS = 4
"""Groups for each of the k, when a block is searched for a floor."""
_ITEM_BITS = np.uint64(32)
_ITEM_MASK = np.uint64(2**32 - 1)


class Best:
    """The `k` best items of each query so far; item 0 with score -inf where there are fewer."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._key_QW = np.full((queries, 4 * k), _NOTHING)
        self._count_Q = np.zeros(queries, np.int64)
        self._floor_Q = np.full(queries, -np.inf, np.float32)
        self._is_empty = True

    def add(self, score_nQ: Floats, first: int) -> None:
        """Scores of the items from `first` on; those that are -inf or no number are never found."""
        if self._is_empty:
            self._is_empty = False
            self._raise_floor(score_nQ)
        above_nQ = score_nQ > self._floor_Q
        if np.count_nonzero(above_nQ) > 2 * self._k * len(self._floor_Q):
            self._raise_floor(score_nQ)
            above_nQ = score_nQ > self._floor_Q
        place_M = np.flatnonzero(above_nQ)
        row_M, query_M = np.divmod(place_M, len(self._floor_Q))
        self._append(query_M.astype(np.uint16), keys(score_nQ.reshape(-1)[place_M], row_M + first))
        if self._count_Q.max() > 2 * self._k:
            self._keep_best()

    def add_some(self, query_M: npt.NDArray[Any], item_M: npt.NDArray[Any], score_M: Floats) -> None:
        """Scores of some items of some queries."""
        is_above_M = score_M > self._floor_Q[query_M]
        self._append(query_M[is_above_M].astype(np.uint16), keys(score_M[is_above_M], item_M[is_above_M]))
        if self._count_Q.max() > 2 * self._k:
            self._keep_best()

    def sorted(self) -> tuple[Ints, Floats]:
        """item_QK and score_QK, best first."""
        self._keep_best()
        key_QK = np.sort(self._key_QW[:, : self._k], axis=1)
        return (key_QK & _ITEM_MASK).astype(np.int32), scores(key_QK)

    def _raise_floor(self, score_nQ: Floats) -> None:
        """To what the block alone has k of: where many are above the floor, that is a higher one."""
        lowest_Q = _at_least_k(score_nQ, self._k)
        self._floor_Q = np.maximum(self._floor_Q, np.nextafter(lowest_Q, np.float32(-np.inf)))

    def _append(self, query_M: npt.NDArray[np.uint16], key_M: Keys) -> None:
        order_M = np.argsort(query_M, kind="stable")
        query_M = query_M[order_M]
        new_Q = np.bincount(query_M, minlength=len(self._count_Q))
        self._make_room(int((self._count_Q + new_Q).max()))
        place_Q = self._count_Q - (np.cumsum(new_Q) - new_Q)
        self._key_QW[query_M, place_Q[query_M] + np.arange(len(query_M))] = key_M[order_M]
        self._count_Q += new_Q

    def _make_room(self, places: int) -> None:
        """Few blocks need it: those of many equal scores, or of one query that has far more above its floor."""
        queries, width = self._key_QW.shape
        if places > width:
            self._key_QW = np.hstack([self._key_QW, np.full((queries, places - width), _NOTHING)])

    def _keep_best(self) -> None:
        key_QW, k = self._key_QW[:, : max(int(self._count_Q.max()), self._k)], self._k
        key_QW.partition(k - 1, axis=1)
        key_QW[:, k:] = _NOTHING
        self._count_Q = np.minimum(self._count_Q, k)
        self._floor_Q = np.maximum(self._floor_Q, scores(key_QW[:, k - 1]))


def best_of_all(score_QI: Floats, k: int) -> tuple[Ints, Floats]:
    """item_QK and score_QK of the `k` best of all items' scores, as `Best` has them. Writes to `score_QI`."""
    # What is no number is lower than any.
    np.fmax(score_QI, np.float32(-np.inf), out=score_QI)
    key_QI = keys(score_QI, np.arange(score_QI.shape[1]))
    found = min(k, key_QI.shape[1])
    key_QI.partition(found - 1, axis=1)
    key_QK = np.full((len(key_QI), k), _NOTHING)
    key_QK[:, :found] = key_QI[:, :found]
    key_QK.sort(axis=1)
    score_QK = scores(key_QK)
    return np.where(score_QK > -np.inf, key_QK & _ITEM_MASK, 0).astype(np.int32), score_QK


def keys(score_M: Floats, item_M: npt.NDArray[Any]) -> Keys:
    """Score and item as one number each, smaller for a higher score, and for a lower item where scores are equal."""
    # Adding zero makes the negative zero a positive one, whose bits are others although the two are equal.
    high_M = _turned((score_M + np.float32(0)).view(np.int32)).view(np.uint32)
    return high_M.astype(np.uint64) << _ITEM_BITS | item_M.astype(np.uint64)


def scores(key_M: Keys) -> Floats:
    """The scores of keys."""
    return _turned((key_M >> _ITEM_BITS).astype(np.uint32).view(np.int32)).view(np.float32)


def _turned(bits_M: Ints) -> Ints:
    """Bits of floats to unsigned numbers that fall as the floats rise, and back: all but the sign of those above 0."""
    return bits_M ^ (~(bits_M >> np.int32(31)) & np.int32(2**31 - 1))


_NOTHING = keys(np.array([-np.inf], np.float32), np.zeros(1, np.int64))[0]


def _at_least_k(score_nQ: Floats, k: int) -> Floats:
    """Of each column a number that at least `k` of its scores are as high as; -inf where there are fewer.

    It is the k-th highest of the maxima of groups, of which only few are left to choose from.
    """
    if len(score_nQ) < k:
        return np.full(score_nQ.shape[1], -np.inf, np.float32)
    size = max(1, len(score_nQ) // (_GROUPS * k))
    groups = len(score_nQ) // size
    # fmax, and the sign turned so that a partition puts them last: what is no number is lower than any.
    high_GQ = np.fmax.reduce(score_nQ[: size * groups].reshape(size, groups, -1), axis=0)
    kth_Q = -np.partition(-high_GQ, k - 1, axis=0)[k - 1]
    return np.where(np.isnan(kth_Q), np.float32(-np.inf), kth_Q)
