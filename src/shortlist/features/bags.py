"""Bags: from a column with several values in each row to their rows, parted, tidied and cut to size."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.features.base import ints_from_arrow
from shortlist.features.rows import Ints, Longs, RaggedBag
from shortlist.features.values import as_text


def parted(values: pa.Array, separator: str) -> pa.Array:
    """Lists as they are, and text parted by `separator`."""
    if isinstance(values, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return values
    return pc.split_pattern(as_text(values), separator)


def trimmed(values: pa.Array) -> pa.Array:
    """Text without the white space around it; integers as they are."""
    return values if pa.types.is_integer(values.type) else pc.utf8_trim_whitespace(as_text(values))


def without_empty(values: pa.Array) -> pa.Array:
    """Null in place of empty text."""
    return pc.if_else(pc.equal(values, ""), None, values) if pa.types.is_string(values.type) else values


def owners(lists: pa.Array) -> Longs:
    """The row of each of the m values of n lists, as `flatten` gives them."""
    # Not `value_parent_indices`: a null row may own values in the buffer, which `flatten` leaves out.
    return np.repeat(np.arange(len(lists)), ints_from_arrow(pc.list_value_length(lists)))


def bag_of(lists: pa.Array, row_m: Ints, hotness: int) -> RaggedBag:
    """The rows of the m values of n lists, without those that are 0, the first `hotness` of each list."""
    owner_m = owners(lists)
    known_m = row_m > 0
    row_m, owner_m = row_m[known_m], owner_m[known_m]
    start_n = np.searchsorted(owner_m, np.arange(len(lists)))
    kept_m = np.arange(len(owner_m)) - start_n[owner_m] < hotness
    length_n = np.bincount(owner_m[kept_m], minlength=len(lists))
    return RaggedBag(row_m[kept_m], np.concatenate([[0], np.cumsum(length_n)]).astype(np.int64))
