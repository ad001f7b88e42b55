"""Encoder: the transforms of one side, from a record batch to encoded features, here and on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from shortlist.core.errors import BundleError
from shortlist.core.files import read_json, write_json
from shortlist.features.base import ROW, Transform, VocabularyTransform
from shortlist.features.rows import FeatureTable, Ints, RaggedBag
from shortlist.features.transforms import from_state
from shortlist.features.values import array_of
from shortlist.features.vocabulary import Vocabulary
from shortlist.schema import Column, Kind, Side
from shortlist.schema.columns import stacked


@dataclass(frozen=True)
class Encoder:
    """The transforms of one side and the prepared columns they make, at the offsets of the whole schema."""

    side: Side
    transforms: tuple[Transform, ...]
    columns: tuple[Column, ...]
    """In the order of the transforms: `Schema.columns` is the encoders' columns one after another, then the age."""

    def apply(self, batch: pa.RecordBatch) -> FeatureTable:
        """Encode n rows; ids are rows of the stacked space, `column.offset` if out of vocabulary.

        Source columns are found by name; an absent one is missing in every row. A categorical feature `n`
        takes its rows from the int32 column `n#row` where the engine has joined it (null: out of vocabulary),
        the entity id from the int32 column `#row`. Other columns are ignored.
        """
        ids_nF = np.empty((batch.num_rows, self._count[Kind.FIELD]), np.int32)
        numbers_nN = np.empty((batch.num_rows, self._count[Kind.NUMBER]), np.float32)
        bags: dict[str, RaggedBag] = {}
        encoded = (part for transform in self.transforms for part in transform.encode(batch))
        for (column, position), values in zip(self._places, encoded, strict=True):
            if isinstance(values, RaggedBag):
                bags[column.name] = RaggedBag(values.values + np.int32(column.offset), values.offsets_n)
            elif column.kind == Kind.NUMBER:
                numbers_nN[:, position] = values
            else:
                np.add(values, column.offset, out=ids_nF[:, position])
        return FeatureTable(ids_nF, numbers_nN, bags)

    @cached_property
    def _places(self) -> tuple[tuple[Column, int], ...]:
        """Each column with its position among those of its kind."""
        seen = dict.fromkeys(Kind, -1)
        places = []
        for column in self.columns:
            seen[column.kind] += 1
            places.append((column, seen[column.kind]))
        return tuple(places)

    @cached_property
    def _count(self) -> Mapping[Kind, int]:
        return {kind: sum(column.kind == kind for column in self.columns) for kind in Kind}

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Names of the source columns that `apply` reads, each once; not the rows that the engine joins."""
        return tuple(dict.fromkeys(t.column for t in self.transforms if t.column != ROW))

    def batch(self, rows: Sequence[Mapping[str, Any]], entity_rows: Ints | None = None) -> pa.RecordBatch:
        """JSON values by source column, one mapping a row, as a batch for `apply`.

        `entity_rows` (n,) becomes `#row`; by default nobody is known. Keys that no feature reads are ignored,
        columns that no row has are left out, and a column of mixed types is text.
        """
        columns = {
            name: array_of([row.get(name) for row in rows]) for name in self.sources if any(name in row for row in rows)
        }
        known = np.zeros(len(rows), np.int32) if entity_rows is None else entity_rows
        return pa.record_batch({**columns, ROW: pa.array(known, pa.int32())})

    def save(self, folder: Path) -> None:
        """Write `SIDE.json` and the vocabularies into a features folder; equal state gives equal bytes."""
        for transform in self.transforms:
            if isinstance(transform, VocabularyTransform):
                transform.vocabulary.save(vocabulary_path(folder, transform.name))
        state = {
            "transforms": [transform.state() for transform in self.transforms],
            "offsets": [column.offset for column in self.columns],
        }
        write_json(folder / f"{self.side}.json", state)

    @classmethod
    def load(cls, folder: Path, side: Side) -> Self:
        """Read what `save` wrote, vocabularies memory-mapped; BundleError if a file is missing or broken."""
        try:
            state = read_json(folder / f"{side}.json")
            transforms = [
                from_state(t, lambda name: Vocabulary.load(vocabulary_path(folder, name))) for t in state["transforms"]
            ]
            made = [column for transform in transforms for column in transform.columns()]
            columns = tuple(replace(c, offset=o) for c, o in zip(made, state["offsets"], strict=True))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(
                f"cannot read the {side} features in {folder}: {error}. The folder is incomplete "
                "or was altered: prepare and export again."
            ) from error
        return cls(side, tuple(transforms), columns)


def stack(transforms: Mapping[Side, Sequence[Transform]]) -> dict[Side, Encoder]:
    """One encoder for each side given, in that order, their columns laid into one stacked space of rows."""
    made = [column for side in transforms.values() for transform in side for column in transform.columns()]
    columns = stacked(made)
    return {
        side: Encoder(side, tuple(of_side), tuple(column for column in columns if column.side == side))
        for side, of_side in transforms.items()
    }


def vocabulary_path(folder: Path, name: str) -> Path:
    """Where the vocabulary of a transform, `user.id` or `item.id` lies in a features folder."""
    return folder / "vocabulary" / f"{quote(name, safe=' ')}.arrow"
