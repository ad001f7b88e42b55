"""What every transform is: fitted state with a name, applied to a source column of a record batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from shortlist.features.rows import Floats, Ints, RaggedBag
from shortlist.features.statistics import Need, Statistics
from shortlist.features.vocabulary import Vocabulary
from shortlist.schema import Column, Side

Encoded = Ints | Floats | RaggedBag
"""A prepared column of n rows: field (int32), number (float32) or bag. Ids are local, 0 out of vocabulary."""

ROW = "#row"
"""Ending of the batch columns with rows (int32) that the engine has joined: `#row` alone is the entity's row,
`item.brand#row` the vocabulary row of `item.brand`. Null: out of vocabulary.

Engines join integer and text columns only: the text of other types is made here, so they are looked up.
"""


@dataclass(frozen=True)
class Transform(ABC):
    """Turns one source column into one or more prepared columns."""

    name: str
    """`side.feature`, for instance `item.year`."""
    column: str
    """Source column of the table or of the request."""

    kind: ClassVar[str]
    """Name of the transform in saved state."""

    @property
    def side(self) -> Side:
        """The side that the name says."""
        return Side(self.name.partition(".")[0])

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The prepared columns it makes, at offset 0."""

    @abstractmethod
    def apply(self, values: pa.Array) -> Sequence[Encoded]:
        """Encode the source column: one entry for each of `columns()`.

        Takes any Arrow type and fails on no value: a strange one is missing or unknown.
        """

    def encode(self, batch: pa.RecordBatch) -> Sequence[Encoded]:
        """Encode the rows of a batch; an absent source column counts as missing in every row."""
        values = column_of(batch, self.column)
        return self.apply(pa.nulls(batch.num_rows) if values is None else values)

    def state(self) -> dict[str, Any]:
        """Everything but the vocabulary, as JSON values."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "vocabulary"}
        return {"kind": self.kind, **kept}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **parts: Any) -> Self:
        """From what `state` gave, also through JSON; `parts` is the vocabulary where there is one."""
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in state.items() if k != "kind"}
        arguments: dict[str, Any] = {**values, **parts}
        return cls(**arguments)


@dataclass(frozen=True)
class FeatureTransform(Transform):
    """A transform that a recipe asks for and statistics fit."""

    @classmethod
    @abstractmethod
    def need(cls, spec: Any) -> Need:
        """What to ask of the engine before `fit`."""

    @classmethod
    @abstractmethod
    def fit(cls, side: Side, name: str, spec: Any, statistics: Statistics) -> Self:
        """The transform for the feature `name` of a side, by its recipe and what `need` asked for."""


@dataclass(frozen=True)
class VocabularyTransform(FeatureTransform):
    """A transform with a vocabulary, which is kept in a file of its own."""

    vocabulary: Vocabulary


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """The column called `name`, or None."""
    index = batch.schema.get_field_index(name)
    return None if index < 0 else batch.column(index)


def ints_from_arrow(values: pa.Array) -> Ints:
    """Integers (n,) as int32 with 0 for null."""
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.int32)
    filled = values.fill_null(0) if values.null_count else values
    return np.asarray(filled.to_numpy(zero_copy_only=False), np.int32)
