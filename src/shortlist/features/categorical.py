"""Categorical: one value of a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.features.base import ROW, Encoded, VocabularyTransform, column_of, ints_from_arrow
from shortlist.features.rows import Ints
from shortlist.features.statistics import Counts, Need, Statistics, expect
from shortlist.features.vocabulary import Vocabulary
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


@dataclass(frozen=True)
class Categorical(VocabularyTransform):
    """Row of the value in the vocabulary. Missing, rare and never seen values share the OOV row.

    Empty text is a value like any other.
    """

    kind: ClassVar[str] = "categorical"

    @classmethod
    def need(cls, spec: recipe.Categorical) -> Need:
        """Counts of the values."""
        return Need("counts")

    @classmethod
    def fit(cls, side: Side, name: str, spec: recipe.Categorical, statistics: Statistics) -> Self:
        """Keep the most frequent values that the recipe allows."""
        counts = expect(statistics, Counts)
        column = spec.column or name
        if pa.types.is_nested(counts.values.type):
            raise DataError(
                f"features.{side}.{name}: expected one value in each row for `categorical`, found lists in "
                f'the column `{column}`. Say kind = "multi_hot" instead.'
            )
        return cls(f"{side}.{name}", column, Vocabulary.from_counts(counts, spec.min_count, spec.max_size))

    def columns(self) -> tuple[Column, ...]:
        """One field."""
        return (Column(name=self.name, side=self.side, kind=Kind.FIELD, size=self.vocabulary.size),)

    def encode(self, batch: pa.RecordBatch) -> Sequence[Encoded]:
        """From the rows that the engine has joined, if it has, else from the source column."""
        joined = column_of(batch, self.name + ROW)
        return super().encode(batch) if joined is None else [ints_from_arrow(joined)]

    def apply(self, values: pa.Array) -> list[Ints]:
        """Look the values up."""
        return [self.vocabulary.lookup(values)]
