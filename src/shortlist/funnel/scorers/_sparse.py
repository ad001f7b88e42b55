"""Sums of rows of which few values are stored: work by what a history names, and not by the catalogue.

They are added up in single precision: of a thousand values a sum is right to six digits or so.

Legend: N rows, P rows that are summed, J columns, W values of the fullest row, M values of all rows that are summed, C
columns that have a sum, Q requests.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from shortlist.features.rows import Floats, Ints, Longs, RaggedBag

_FEW = 4
"""How many columns are looked through in the time that it takes to tell one that is named from those before it."""


class SparseRows:
    """Rows of a sparse matrix: the columns of their values, and the values, or 1 for each.

    A row that is as full as any is read as one window of all values, which costs a copy; of the others the place of
    each value is worked out first, which costs ten times as much. Most operators keep as many values for nearly every
    item.
    """

    def __init__(self, columns: RaggedBag, weights: Floats | None = None) -> None:
        # Plain arrays: mapped ones are slow to index.
        self._columns = RaggedBag(np.asarray(columns.values), np.asarray(columns.offsets_n))
        # Of ones no more than one is held. The view has NumPy's own float32 for its dtype: with one that is equal and
        # not the same, as a copy or what was unpickled has, np.add.at takes fifty times as long.
        ones = np.broadcast_to(np.float32(1), len(columns.values))
        self._weights = ones if weights is None else np.asarray(weights).view(np.float32)
        count_N = columns.counts()
        self._width = int(count_N.max(initial=0))
        self._is_full_N = count_N == self._width
        # Views, made once: to make one costs as much as to read it.
        self._column_windows = _windows(self._columns.values, self._width)
        self._weight_windows = _windows(self._weights, self._width)

    def __len__(self) -> int:
        return len(self._columns)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy makes its own windows: copied themselves, they would hold every value as often as a row is long."""
        return SparseRows, (self._columns, self._weights if self._weights.strides[0] else None)

    def named(self, row_P: Ints, weight_P: Floats | None) -> tuple[Longs, Floats]:
        """column_M and value_M of all values of these rows, each times the weight of its row; None where all are 1."""
        is_full_P = self._is_full_N[row_P]
        if is_full_P.all():
            return self._full(row_P, weight_P)
        parts = (self._full, is_full_P), (self._others, ~is_full_P)
        full, rest = (read(row_P[part], None if weight_P is None else weight_P[part]) for read, part in parts)
        return np.concatenate([full[0], rest[0]]), np.concatenate([full[1], rest[1]])

    def _full(self, row_P: Ints, weight_P: Floats | None) -> tuple[Longs, Floats]:
        start_P = self._columns.offsets_n[row_P]
        column_M = self._column_windows[start_P].astype(np.int64).reshape(-1)
        value_PW = self._weight_windows[start_P]
        if weight_P is not None:
            value_PW *= weight_P[:, None]
        return column_M, value_PW.reshape(-1)

    def _others(self, row_P: Ints, weight_P: Floats | None) -> tuple[Longs, Floats]:
        place_M, offsets_P = self._columns.places(row_P)
        value_M = self._weights[place_M]
        if weight_P is not None:
            value_M *= np.repeat(weight_P, np.diff(offsets_P))
        return self._columns.values[place_M].astype(np.int64), value_M


def _windows(values: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """Every `width` values that follow each other."""
    return sliding_window_view(values, width) if width else np.zeros((len(values) + 1, 0), values.dtype)


class Sums:
    """The sums of one request after another, in memory that is cleared where it was written alone."""

    def __init__(self, columns: int) -> None:
        self._sum_J = np.zeros(columns, np.float32)
        self._place_J = np.empty(columns, np.int32)
        self._named_M = np.zeros(0, np.int64)

    def add(self, column_M: Longs, value_M: Floats) -> None:
        """Add values to sums that are all 0."""
        np.add.at(self._sum_J, column_M, value_M)
        self._named_M = column_M

    def forget(self, column_C: npt.NDArray[Any]) -> None:
        """Make the sums of these columns 0."""
        self._sum_J[column_C] = 0

    def take(self) -> tuple[Longs, Floats]:
        """column_C and sum_C of all columns with a sum, in any order; those that are named may have one of 0.

        Nothing is left behind.
        """
        if len(self._named_M) * _FEW > len(self._sum_J):
            column_C = np.flatnonzero(self._sum_J != 0)
            sum_C = self._sum_J[column_C]
            self._sum_J.fill(0)
            return column_C, sum_C
        # Of those that write to one place the last is read there by all of them: it is the one that stands for all.
        # What stands where none has written is never read.
        every_M = np.arange(len(self._named_M), dtype=np.int32)
        self._place_J[self._named_M] = every_M
        column_C = self._named_M[self._place_J[self._named_M] == every_M]
        sum_C = self._sum_J[column_C]
        self._sum_J[column_C] = 0
        return column_C, sum_C


def summed_rows(matrix: SparseRows, rows: RaggedBag, weight_P: Floats, width: int) -> Floats:
    """sum_JQ: of each request the sum of the rows that it names, each times its weight."""
    sum_QJ = np.zeros((len(rows), width), np.float32)
    for query, (start, stop) in enumerate(pairwise(rows.offsets_n.tolist())):
        np.add.at(sum_QJ[query], *matrix.named(rows.values[start:stop], weight_P[start:stop]))
    return np.ascontiguousarray(sum_QJ.T)
