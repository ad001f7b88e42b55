"""Hashed bag: several values of very many in a row, without a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import pyarrow as pa

from shortlist.features.bags import bag_of, parted, trimmed, without_empty
from shortlist.features.base import FeatureTransform
from shortlist.features.hashed import bucket_rows
from shortlist.features.rows import RaggedBag
from shortlist.features.statistics import Need, Statistics
from shortlist.features.values import as_text
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


@dataclass(frozen=True)
class HashedBag(FeatureTransform):
    """The first `hotness` values of each row, each hashed as by `hashed`; empty ones are dropped.

    The column holds lists, or text parted by `separator`. White space around a value does not count.
    """

    buckets: int
    separator: str
    hotness: int
    """Most values in one row."""

    kind: ClassVar[str] = "hashed_bag"

    @classmethod
    def need(cls, spec: recipe.MultiHot) -> Need:
        """Nothing: the state is the number of buckets."""
        return Need("nothing")

    @classmethod
    def fit(cls, side: Side, name: str, spec: recipe.MultiHot, statistics: Statistics) -> Self:
        """As the recipe says."""
        if spec.buckets is None:
            raise TypeError("a hashed bag needs the number of its buckets")
        return cls(f"{side}.{name}", spec.column or name, spec.buckets, spec.separator, spec.max_hotness)

    def columns(self) -> tuple[Column, ...]:
        """One bag; as in every bag the first row stands for no value."""
        return (Column(name=self.name, side=self.side, kind=Kind.BAG, size=1 + self.buckets, hotness=self.hotness),)

    def apply(self, values: pa.Array) -> list[RaggedBag]:
        """Part, hash, keep the first ones."""
        lists = parted(values, self.separator)
        texts = without_empty(as_text(trimmed(lists.flatten())))
        return [bag_of(lists, bucket_rows(texts, self.buckets), self.hotness)]
