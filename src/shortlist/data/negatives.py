"""Negative sampling that does not hand a model its own positives.

Legend: B events, n negatives of each, U rows of the user table, K candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Ints, Longs, RaggedBag

CHUNK = 2**22
"""Positives sorted at once."""
ROUNDS = 10
"""Redraws of a negative that hit a positive, before it is given up."""

Uniform = Callable[[int], npt.NDArray[np.float64]]
"""For the number of a round, from 0 on, uniform_Bn from 0 to below 1."""


class NegativeSampler:
    """Draws items that the user has no event with.

    `positives` are each user's items (a bag for each row of the user table). A draw that hits one is drawn again, up to
    ROUNDS times; what is still a positive then comes back as 0, which callers leave out. So no negative is ever a
    positive that the sampler was told of; a future positive that it was not told of can be one.
    """

    def __init__(
        self,
        source: Literal["uniform", "popularity", "candidates"],
        item_count: Longs,
        positives: RaggedBag,
        candidates_UK: Ints | None = None,
    ) -> None:
        """`item_count` holds each item row's number of train events; row 0 is never drawn."""
        self.items = len(item_count)
        self.source = source
        self.candidates_UK = candidates_UK
        if source == "candidates" and candidates_UK is None:
            raise ValueError("the source `candidates` needs candidates_UK")
        self._positives = sorted_within(positives)
        counts = item_count.astype(np.float64)
        counts[0] = 0
        self._cumulative = np.cumsum(counts / max(counts.sum(), 1))

    def sample(self, user_B: Ints, n: int, uniform: Uniform) -> Ints:
        """negatives_Bn: item rows, 0 where none was found. A row's follow from its user and its own numbers alone."""
        item_Bn = self._draw(np.broadcast_to(user_B[:, None], (len(user_B), n)), uniform(0))
        for number in range(1, ROUNDS + 1):
            row, column = np.nonzero(self._is_positive(user_B, item_Bn) | (item_Bn == 0))
            if row.size == 0:
                return item_Bn
            item_Bn[row, column] = self._draw(user_B[row], uniform(number)[row, column])
        item_Bn[self._is_positive(user_B, item_Bn)] = 0
        return item_Bn

    def _draw(self, user: Ints, uniform: npt.NDArray[np.float64]) -> Ints:
        """An item for each number, of any shape, that belongs to a user."""
        if self.source == "uniform":
            drawn: npt.NDArray[Any] = 1 + (uniform * (self.items - 1)).astype(np.int64)
        elif self.source == "popularity":
            drawn = np.searchsorted(self._cumulative, uniform, side="right")
        else:
            assert self.candidates_UK is not None
            drawn = self.candidates_UK[user, (uniform * self.candidates_UK.shape[1]).astype(np.int64)]
        return np.asarray(np.minimum(drawn, self.items - 1), np.int32)

    def _is_positive(self, user_B: Ints, item_Bn: Ints) -> npt.NDArray[np.bool_]:
        """By bisection of each user's own items, which are few."""
        values, offsets_n = self._positives.values, self._positives.offsets_n
        if values.size == 0:
            return np.zeros(item_Bn.shape, bool)
        low_Bn = np.repeat(offsets_n[user_B, None], item_Bn.shape[1], axis=1)
        high_B = offsets_n[user_B + 1]
        high_Bn = np.repeat(high_B[:, None], item_Bn.shape[1], axis=1)
        most = int((high_B - low_Bn[:, 0]).max(initial=0)) if item_Bn.size else 0
        # The first place whose item is not below the one asked for lies from low to high, both included.
        for _ in range(most.bit_length()):
            middle_Bn = (low_Bn + high_Bn) >> 1
            below_Bn = values.take(middle_Bn, mode="clip") < item_Bn
            below_Bn &= low_Bn < high_Bn
            low_Bn = np.where(below_Bn, middle_Bn + 1, low_Bn)
            high_Bn = np.where(below_Bn, high_Bn, middle_Bn)
        return np.asarray((values.take(low_Bn, mode="clip") == item_Bn) & (low_Bn < high_B[:, None]))


def sorted_within(bag: RaggedBag) -> RaggedBag:
    """The values of each row sorted, each once; 4 bytes a value, and little more while it works."""
    values = np.empty(len(bag.values), np.int32)
    counts = np.zeros(len(bag), np.int64)
    width = np.int64(bag.values.max(initial=0)) + 1
    filled = 0
    # As many rows at once as hold about CHUNK values, at least one.
    first = 0
    while first < len(bag):
        last = max(int(np.searchsorted(bag.offsets_n, bag.offsets_n[first] + CHUNK, side="right")) - 1, first + 1)
        row, value = RaggedBag(bag.values, bag.offsets_n[first : last + 1]).flat()
        # By sorting: np.unique hashes, which took ten times as long.
        key = np.sort(row * width + value)
        key = key[np.diff(key, prepend=-1) > 0]
        values[filled : filled + len(key)] = key % width
        counts[first:last] = np.bincount(key // width, minlength=last - first)
        filled, first = filled + len(key), last
    return RaggedBag(values[:filled], np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))
