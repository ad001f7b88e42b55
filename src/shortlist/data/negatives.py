"""Negative sampling that does not hand a model its own positives.

Legend: B events, n negatives of each, U rows of the user table, K candidates.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Ints, Longs, RaggedBag

ROUNDS = 10
"""Redraws of a negative that hit a positive, before it is given up."""


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
        user = np.repeat(np.arange(len(positives.offsets_n) - 1), np.diff(positives.offsets_n))
        self._keys = np.unique(user * np.int64(self.items) + positives.values)
        counts = item_count.astype(np.float64)
        counts[0] = 0
        self._cumulative = np.cumsum(counts / max(counts.sum(), 1))

    def sample(self, user_B: Ints, n: int, random: np.random.Generator) -> Ints:
        """negatives_Bn: item rows, 0 where none was found."""
        item_Bn: Ints = self._draw(user_B, n, random)
        for _ in range(ROUNDS):
            row, column = np.nonzero(self._is_positive(user_B, item_Bn) | (item_Bn == 0))
            if row.size == 0:
                return item_Bn
            item_Bn[row, column] = self._draw(user_B[row], 1, random)[:, 0]
        item_Bn[self._is_positive(user_B, item_Bn)] = 0
        return item_Bn

    def _draw(self, user_B: Ints, n: int, random: np.random.Generator) -> Ints:
        shape = (len(user_B), n)
        if self.source == "uniform":
            drawn: npt.NDArray[Any] = random.integers(1, self.items, shape)
        elif self.source == "popularity":
            drawn = np.searchsorted(self._cumulative, random.random(shape), side="right")
        else:
            assert self.candidates_UK is not None
            drawn = self.candidates_UK[user_B[:, None], random.integers(0, self.candidates_UK.shape[1], shape)]
        return np.asarray(np.minimum(drawn, self.items - 1), np.int32)

    def _is_positive(self, user_B: Ints, item_Bn: Ints) -> npt.NDArray[np.bool_]:
        key_Bn = user_B[:, None] * np.int64(self.items) + item_Bn
        if self._keys.size == 0:
            return np.zeros(key_Bn.shape, bool)
        place_Bn = np.minimum(np.searchsorted(self._keys, key_Bn), self._keys.size - 1)
        return np.asarray(self._keys[place_Bn] == key_Bn)
