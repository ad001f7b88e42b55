"""Vocabulary: a table of value and row. The engine joins it, the server looks values up in it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.core.files import whole_file
from shortlist.features.rows import Ints
from shortlist.features.statistics import Counts
from shortlist.features.values import array_of, as_integers, as_text


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Known values and the row of each, a row from 1 on; row 0 is out of vocabulary. A value has one row."""

    values: pa.Array
    """int64 or string, ascending (strings by their bytes)."""
    rows: Ints
    """Row of each value."""

    @classmethod
    def from_counts(cls, counts: Counts, min_count: int = 1, max_size: int | None = None) -> Self:
        """Rows 1, 2, ... for the most frequent values: at most `max_size`, each with `min_count` or more."""
        counts = _normal(counts)
        kept = int(np.searchsorted(-counts.counts, -min_count, side="right"))
        kept = kept if max_size is None else min(kept, max_size)
        return cls.from_rows(counts.values[:kept], np.arange(1, kept + 1, dtype=np.int32))

    @classmethod
    def from_rows(cls, values: pa.Array | pa.ChunkedArray, rows: npt.ArrayLike) -> Self:
        """From distinct values (integers or text, no null) in any order and their rows."""
        values = _keys(values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)
        order = pc.sort_indices(values)
        return cls(values.take(order), np.asarray(rows, np.int32)[order.to_numpy()])

    @property
    def size(self) -> int:
        """Rows, the OOV row included."""
        return 1 + len(self.values)

    @cached_property
    def id_type(self) -> str:
        """`int` or `text`: the type that values are looked up as."""
        return "int" if self.values.type == pa.int64() else "text"

    def lookup(self, values: pa.Array) -> Ints:
        """Row of each value (n,); 0 where unknown or null.

        Types are taken leniently: a text vocabulary given numbers looks up their text, an integer vocabulary
        given text looks up the integer it writes, and what is neither is unknown. A few values are found by
        binary search, which touches only some pages of a memory-mapped vocabulary; many by a hash table.
        """
        if len(self.values) == 0:
            return np.zeros(len(values), np.int32)
        keys = as_integers(values) if self.id_type == "int" else as_text(values)
        if _few(len(keys), len(self.values)):
            return np.fromiter((self._find(key) for key in keys.to_pylist()), np.int32, len(keys))
        places = pc.index_in(keys, value_set=self.values)
        return np.where(places.is_valid(), self.rows[places.fill_null(0).to_numpy()], np.int32(0))

    def rows_of(self, values: Sequence[Any]) -> Ints:
        """Row of each of n JSON values, as `lookup` has it."""
        if _few(len(values), len(self.values)) and all(map(self._is_key, values)):
            # A server looks up one id a request: Arrow would take twenty times as long to hold it as to find it.
            return np.fromiter(map(self._find, values), np.int32, len(values))
        return self.lookup(array_of(list(values)))

    def _is_key(self, value: Any) -> bool:
        """Whether it is looked up as it is."""
        if self.id_type == "int":
            return value is None or type(value) is int
        return value is None or (type(value) is str and value.isascii())

    def _find(self, key: int | str | None) -> int:
        if key is None:
            return 0
        sought = key.encode() if isinstance(key, str) else key
        place = bisect_left(self._probe, sought)
        return int(self.rows[place]) if place < len(self._probe) and self._probe[place] == sought else 0

    @cached_property
    def _probe(self) -> Any:
        return _Strings(self.values) if self.id_type == "text" else self.values.to_numpy(zero_copy_only=True)

    def value_of_rows(self, rows: npt.ArrayLike) -> pa.Array:
        """The value of each row (n,); null for row 0 and for rows that no value has."""
        rows_n = np.asarray(rows)
        inside = (rows_n >= 0) & (rows_n < len(self._place_of_row))
        place_n = np.where(inside, self._place_of_row[np.where(inside, rows_n, 0)], -1)
        return self.values.take(pa.array(place_n, mask=place_n < 0))

    @cached_property
    def _place_of_row(self) -> npt.NDArray[np.int64]:
        places = np.full(int(self.rows.max(initial=0)) + 1, -1, np.int64)
        places[self.rows] = np.arange(len(self.rows))
        return places

    def to_arrow(self) -> pa.Table:
        """As a table of `value` and `row` (int32), ascending by value: what the engine joins."""
        return pa.table({"value": self.values, "row": self.rows})

    def save(self, path: Path) -> None:
        """Write an Arrow IPC file of one record batch; the same vocabulary gives the same bytes."""
        batch = pa.record_batch({"value": self.values, "row": self.rows})
        with whole_file(path) as draft, pa.ipc.new_file(str(draft), batch.schema) as writer:
            writer.write_batch(batch)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Memory-map what `save` wrote: nothing is read but the pages that look-ups touch."""
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        return cls(batch.column("value"), batch.column("row").to_numpy(zero_copy_only=True))


def _normal(counts: Counts) -> Counts:
    """Counts whose values are int64 or string, as look-ups will see them."""
    if counts.values.type in (pa.int64(), pa.string()) and not counts.values.null_count:
        return counts
    return Counts.merged(_keys(counts.values), counts.counts)


def _keys(values: pa.Array) -> pa.Array:
    return as_integers(values) if pa.types.is_integer(values.type) else as_text(values)


def _few(keys: int, known: int) -> bool:
    """Whether binary searches cost less than building a hash table (rough costs measured on one core)."""
    return keys * known.bit_length() * 5 < 150 + known + keys


class _Strings:
    """A string array's values as bytes, one at a time, straight from its buffers."""

    def __init__(self, values: pa.Array) -> None:
        _, offsets, data = values.buffers()
        self._offsets = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
        self._data = memoryview(data or b"")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: int) -> bytes:
        return bytes(self._data[self._offsets[index] : self._offsets[index + 1]])
