"""Items that retrieval is to tell a batch's own items from: drawn, or taken from the batch; with how likely each was.

What is drawn may be an item that a user chose elsewhere in the log; evaluation draws nothing, and is free of it.

Legend: P rows of a batch, M negatives of each row, N distinct negatives of all rows, I rows of the item table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints, Longs
from shortlist.recipe.retrieval import ItemNegatives

_MOST = 1 - 1e-12
"""The largest share of the events that one item can have: of 1 there is no logarithm of the rest."""


class DrawnItems(NamedTuple):
    """Item rows, N or [P, M] of them."""

    item: Ints
    log_q: Floats
    """Log of the probability that an item is among the N, or of how often it is to be expected among the M."""


class ItemDraws:
    """Draws from a catalogue in which item `i` was chosen `count_I[i]` times; row 0 stands for no item."""

    def __init__(self, settings: ItemNegatives, count_I: Longs) -> None:
        self.source = settings.source
        self.items = len(count_I) - 1
        is_distinct = settings.shared and self.source != "popularity"
        self.drawn = min(settings.drawn, self.items) if is_distinct else settings.drawn
        self._chosen_I = _shares(np.maximum(count_I, 1).astype(np.float64))
        if self.source == "popularity":
            self._share_I = _shares(np.maximum(count_I, 1).astype(np.float64) ** settings.alpha)
            self._cumulative_I = np.cumsum(self._share_I)

    def for_all(self, own: Ints, rows: int, random: np.random.Generator) -> DrawnItems:
        """N distinct items for all rows of a batch, of which `own` are the distinct items of its `rows` rows.

        Of an item that was to be drawn several times the probability is that of being there at all: the sum over the
        catalogue that a softmax needs is then estimated with the least variance (Horvitz, Thompson: A Generalization
        of Sampling Without Replacement from a Finite Universe, JASA 47, 1952).
        """
        if self.source == "catalogue":
            return DrawnItems(np.arange(1, self.items + 1, dtype=np.int32), np.zeros(self.items, np.float32))
        if self.source == "in_batch":
            return DrawnItems(own, _logarithm(self._absent(self._chosen_I[own], rows - 1)))
        if self.source == "popularity":
            found = np.unique(self._by_popularity((self.drawn,), random))
            return DrawnItems(found, _logarithm(self._absent(self._share_I[found], self.drawn)))
        uniform = self._distinct(random)
        missed = 1 - self.drawn / self.items
        if self.source == "uniform":
            return DrawnItems(uniform, _logarithm(np.full(len(uniform), missed)))
        both = np.union1d(own, uniform)
        return DrawnItems(both, _logarithm(missed * self._absent(self._chosen_I[both], rows - 1)))

    def for_each(self, rows: int, random: np.random.Generator) -> DrawnItems:
        """M items for each row, one that is drawn twice in two places."""
        shape = (rows, self.drawn)
        if self.source == "uniform":
            item_PM = random.integers(1, self.items + 1, shape, np.int32)
            return DrawnItems(item_PM, np.full(shape, np.log(self.drawn / self.items), np.float32))
        item_PM = self._by_popularity(shape, random)
        return DrawnItems(item_PM, np.log(self.drawn * self._share_I[item_PM]).astype(np.float32))

    def _distinct(self, random: np.random.Generator) -> Ints:
        found = random.choice(self.items, self.drawn, replace=False, shuffle=False)
        return np.sort(found).astype(np.int32) + np.int32(1)

    def _by_popularity(self, shape: tuple[int, ...], random: np.random.Generator) -> Ints:
        place = np.searchsorted(self._cumulative_I, random.random(shape), side="right")
        return np.minimum(place, self.items).astype(np.int32)

    @staticmethod
    def _absent(share_n: npt.NDArray[np.float64], draws: int) -> npt.NDArray[np.float64]:
        """The probability that none of some draws is an item, of which there is at least one."""
        return np.asarray((1 - np.minimum(share_n, _MOST)) ** max(draws, 1))


def _shares(weight_I: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    weight_I[0] = 0
    shares_I: npt.NDArray[np.float64] = weight_I / weight_I.sum()
    return shares_I


def _logarithm(absent_N: npt.NDArray[np.float64]) -> Floats:
    """Log of the probability of what is absent with probability `absent_N`."""
    return np.log1p(-absent_N).astype(np.float32)
