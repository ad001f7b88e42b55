"""Raw columns in the few types that filters know, as a bundle keeps them and as a request tells them.

Numbers are int64, float32 or float64, text is a dictionary (a comparison looks at each distinct one once), times are
microseconds in UTC, and a column with several values a row is a list of integers or of a dictionary's text. What is no
number is missing.

Legend: A rows that are added or altered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.features.bags import parted, trimmed, without_empty
from shortlist.features.encoder import Encoder
from shortlist.features.hashed_bag import HashedBag
from shortlist.features.multi_hot import MultiHot
from shortlist.features.rows import Ints
from shortlist.features.values import is_text

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us")


def separators(items: Encoder) -> dict[str, str]:
    """By text column what parts its values, as the features of the items say."""
    return {
        transform.column: transform.separator
        for transform in items.transforms
        if isinstance(transform, MultiHot | HashedBag)
    }


def stored(values: pa.Array, separator: str | None = None) -> pa.Array | None:
    """The column as it is stored, text with a separator in its parts; None where filters know nothing of its type."""
    kind = values.type
    if separator is not None and is_text(kind):
        lists = parted(values, separator)
        return _lists(_relisted(lists, without_empty(trimmed(lists.flatten()))))
    if pa.types.is_dictionary(kind):
        return stored(values.dictionary_decode())
    for has_type, convert in _CONVERSIONS:
        if has_type(kind):
            return convert(values)
    return None


def kind_of(kind: pa.DataType) -> str:
    """What a stored column holds, for a person."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"several {kind_of(kind.value_type)}s"
    if pa.types.is_dictionary(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "truth value"
    return "time" if pa.types.is_timestamp(kind) else "number"


def plain(values: pa.Array) -> pa.Array:
    """A stored column without its dictionary."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return values.dictionary_decode()
    if kind_of(kind) == "several texts":
        return _relisted(values, values.flatten().dictionary_decode())
    return values


def with_rows(
    batch: pa.RecordBatch, given: Mapping[str, pa.Array], row_A: Ints, rows: int, parts: Mapping[str, str]
) -> pa.RecordBatch:
    """Stored columns of `rows` rows, of which those at `row_A` are as given; what is not given is missing.

    `parts` says what parts the values of text. ArrowInvalid where a value does not fit its column.
    """
    place = np.where(np.arange(rows) < batch.num_rows, np.arange(rows), -1)
    place[row_A] = batch.num_rows + np.arange(len(row_A))
    taken = pa.array(place, mask=place < 0)
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        before = plain(column)
        more = pa.nulls(len(row_A), before.type)
        if name in given:
            converted = stored(given[name], parts.get(name))
            more = more if converted is None else plain(converted).cast(before.type)
        columns[name] = stored(pa.concat_arrays([before, more]).take(taken))
    return pa.record_batch(columns)


def _finite(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))


def _integers(values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return values.cast(pa.float64(), safe=False)


def _floats(values: pa.Array) -> pa.Array:
    return _finite(values if values.type == pa.float32() else values.cast(pa.float64()))


def _times(values: pa.Array) -> pa.Array:
    return values.cast(_TIME, safe=False)


def _texts(values: pa.Array) -> pa.Array:
    return values.cast(pa.string()).dictionary_encode().cast(_TEXT)


def _lists(values: pa.Array) -> pa.Array | None:
    inner = values.flatten()
    if pa.types.is_dictionary(inner.type):
        inner = inner.dictionary_decode()
    if pa.types.is_integer(inner.type):
        return _relisted(values, inner.cast(pa.int64(), safe=False))
    return _relisted(values, _texts(inner)) if is_text(inner.type) else None


def _relisted(lists: pa.Array, inner: pa.Array) -> pa.Array:
    """Lists of the same lengths, missing where they were, of other values."""
    length = pc.list_value_length(lists).fill_null(0).to_numpy().astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
    return pa.LargeListArray.from_arrays(pa.array(offsets), inner, mask=lists.is_null())


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array | None]], ...] = (
    (pa.types.is_boolean, lambda values: values),
    (pa.types.is_null, lambda values: values.cast(pa.float64())),
    (pa.types.is_integer, _integers),
    (lambda kind: pa.types.is_floating(kind) or pa.types.is_decimal(kind), _floats),
    (lambda kind: pa.types.is_date(kind) or pa.types.is_timestamp(kind), _times),
    (is_text, _texts),
    (
        lambda kind: pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind),
        _lists,
    ),
)
