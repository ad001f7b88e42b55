"""Multi-hot: several values of one vocabulary in a row, such as genres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import pyarrow as pa

from shortlist.features.bags import bag_of, parted, trimmed, without_empty
from shortlist.features.base import VocabularyTransform
from shortlist.features.rows import RaggedBag
from shortlist.features.statistics import Counts, Need, Statistics, expect
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
        values = without_empty(trimmed(counts.values))
        vocabulary = Vocabulary.from_counts(Counts.merged(values, counts.counts), spec.min_count)
        return cls(f"{side}.{name}", spec.column or name, vocabulary, spec.separator, spec.max_hotness)

    def columns(self) -> tuple[Column, ...]:
        """One bag."""
        size = self.vocabulary.size
        return (Column(name=self.name, side=self.side, kind=Kind.BAG, size=size, hotness=self.hotness),)

    def apply(self, values: pa.Array) -> list[RaggedBag]:
        """Part, look up, drop what is unknown, keep the first ones."""
        lists = parted(values, self.separator)
        return [bag_of(lists, self.vocabulary.lookup(trimmed(lists.flatten())), self.hotness)]
