"""Items beside the requests that they are ranked for: what a ranking model is served with.

Legend: U requests, M rows of the ranker, F fields, N numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import FeatureRows, FeatureTable, Ints, side_by_side

ITEM_PREFIX = "item."
"""Before the input names of the items' columns."""
REQUEST = "request"
"""Input that says which request each row belongs to."""


@dataclass(frozen=True, slots=True)
class ItemParts:
    """What a ranking model has made of M items, whoever asks for them."""

    arrays: Mapping[str, npt.NDArray[Any]]
    """By name, of some items or of all."""
    rows_M: npt.NDArray[Any] | None = None
    """Which of those; None for each of them once. Nothing is copied before `feeds`: a part may be a whole layer."""

    def take(self, rows: npt.NDArray[Any]) -> ItemParts:
        """Those at `rows`, which may come more than once."""
        return ItemParts(self.arrays, rows if self.rows_M is None else self.rows_M.take(rows))

    def feeds(self) -> Mapping[str, npt.NDArray[Any]]:
        """The M rows of each array by name."""
        if self.rows_M is None:
            return self.arrays
        return {name: array.take(self.rows_M, axis=0) for name, array in self.arrays.items()}


Items = TypeVar("Items", FeatureRows, ItemParts)


@dataclass(frozen=True, slots=True)
class Pairs(Generic[Items]):
    """M items, and what is known of U requests, each of which is there once however many items it has.

    What depends on the request alone is then computed once a request (docs/decisions/016).
    """

    requests: FeatureRows
    """User and context features of the U requests, with their histories."""
    items: Items
    """The M items: their features, which have no columns in a log without items, or what was made of these."""
    request_M: Ints
    """Which request each of them belongs to."""

    def __len__(self) -> int:
        return len(self.request_M)

    def feeds(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by input name: the requests' as `FeatureRows.feeds` calls them, the items' with a prefix."""
        items = {ITEM_PREFIX + name: array for name, array in self.items.feeds().items()}
        return {**self.requests.feeds(), **items, REQUEST: self.request_M}

    def part(self, start: int, stop: int) -> Pairs[Items]:
        """The rows from `start` to before `stop`, with only the requests that they have."""
        used, request_M = np.unique(self.request_M[start:stop], return_inverse=True)
        requests = self.requests.take(used).with_own_histories()
        items = self.items.take(np.arange(start, min(stop, len(self))))
        return Pairs(requests, items, request_M.astype(np.int32))

    def rows(self: Pairs[FeatureRows]) -> FeatureRows:
        """The M whole rows: request and item side by side."""
        return side_by_side([self.requests.take(self.request_M), self.items])

    @staticmethod
    def of_rows(rows: FeatureRows, items: FeatureTable) -> Pairs[FeatureRows]:
        """Whole rows taken apart, each a request of its own; `items` says which columns, the last, are the items'."""
        fields = rows.ids_BF.shape[1] - items.ids_nF.shape[1]
        numbers = rows.numbers_BN.shape[1] - items.numbers_nN.shape[1]
        bags = {name: bag for name, bag in rows.bags.items() if name not in items.bags}
        of_items = {name: bag for name, bag in rows.bags.items() if name in items.bags}
        return Pairs(
            FeatureRows(rows.ids_BF[:, :fields], rows.numbers_BN[:, :numbers], bags, rows.history),
            FeatureRows(rows.ids_BF[:, fields:], rows.numbers_BN[:, numbers:], of_items),
            np.arange(len(rows), dtype=np.int32),
        )
