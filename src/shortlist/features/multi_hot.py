"""Multi-hot: several values of one vocabulary in a row, such as genres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.features.base import VocabularyTransform, ints_from_arrow
from shortlist.features.rows import RaggedBag
from shortlist.features.statistics import Counts, Need, Statistics, expect
from shortlist.features.values import as_text
from shortlist.features.vocabulary import Vocabulary
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


@dataclass(frozen=True)
class MultiHot(VocabularyTransform):
    """The known values of each row, in their order, repetitions included, the first `hotness` of them.

    The column holds lists, or text parted by `separator`. White space around a value does not count.
    Empty, rare and never seen values are dropped, so a row may be left with none: no bag uses its OOV row.
    """

    separator: str
    hotness: int
    """Most values in one row."""

    kind: ClassVar[str] = "multi_hot"

    @classmethod
    def need(cls, spec: recipe.MultiHot) -> Need:
        """Counts of the single values."""
        return Need("counts", separator=spec.separator)

    @classmethod
    def fit(cls, side: Side, name: str, spec: recipe.MultiHot, statistics: Statistics) -> Self:
        """Keep the values that are frequent enough."""
        counts = expect(statistics, Counts)
        values = _trimmed(counts.values)
        if pa.types.is_string(values.type):
            values = pc.if_else(pc.equal(values, ""), None, values)
        vocabulary = Vocabulary.from_counts(Counts.merged(values, counts.counts), spec.min_count)
        return cls(f"{side}.{name}", spec.column or name, vocabulary, spec.separator, spec.max_hotness)

    def columns(self) -> tuple[Column, ...]:
        """One bag."""
        size = self.vocabulary.size
        return (Column(name=self.name, side=self.side, kind=Kind.BAG, size=size, hotness=self.hotness),)

    def apply(self, values: pa.Array) -> list[RaggedBag]:
        """Part, look up, drop what is unknown, keep the first ones."""
        lists = self._lists(values)
        row_m = self.vocabulary.lookup(_trimmed(lists.flatten()))
        # Not `value_parent_indices`: a null row may own values in the buffer, which `flatten` leaves out.
        owner_m = np.repeat(np.arange(len(lists)), ints_from_arrow(pc.list_value_length(lists)))
        known_m = row_m > 0
        row_m, owner_m = row_m[known_m], owner_m[known_m]
        start_n = np.searchsorted(owner_m, np.arange(len(lists)))
        kept_m = np.arange(len(owner_m)) - start_n[owner_m] < self.hotness
        length_n = np.bincount(owner_m[kept_m], minlength=len(lists))
        return [RaggedBag(row_m[kept_m], np.concatenate([[0], np.cumsum(length_n)]).astype(np.int64))]

    def _lists(self, values: pa.Array) -> pa.Array:
        if isinstance(values, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
            return values
        return pc.split_pattern(as_text(values), self.separator)


def _trimmed(values: pa.Array) -> pa.Array:
    """Text without the white space around it; integers as they are."""
    return values if pa.types.is_integer(values.type) else pc.utf8_trim_whitespace(as_text(values))
