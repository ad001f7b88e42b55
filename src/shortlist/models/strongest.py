"""Of each row of a matrix the values of largest size.

A value's size and its column are one whole number, the larger the better: the bits of the size above, as those of
floats from 0 on rise with them, and the column below, turned so that of equal sizes the lower one is the better; the
value's sign stands last.

Legend: n rows, G rows of one group, W stored values of the fullest of these, K values that are kept of a row, at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse

from shortlist.features.rows import Floats, Longs
from shortlist.models.matrix import Matrix

Keys = npt.NDArray[np.uint64]

_VALUES = 2**17
"""Values that are looked through at once: they stay in the cache."""
_MOST_KEPT = 2**23
"""Places for values that are kept, at once: 64 MiB."""
_SIGN = np.uint32(2**31)
_LAST = np.uint32(2**31 - 1)
"""Of columns."""
_UPPER = np.uint64(32)
_NOTHING = np.uint64(2**32 - 1)
"""No key of a size above 0 is as low."""


def strongest(block: Matrix | npt.NDArray[Any], keep: int, first: int = -1) -> Matrix:
    """Of each row the `keep` values of largest size, by column; without the diagonal of a block that begins at `first`.

    Of equal values at the edge those of lower columns are kept, so that nothing depends on the partition's ways.
    """
    rows = sparse.csr_array(block, dtype=np.float32)
    count_n = np.diff(rows.indptr).astype(np.int32)
    width, half = min(keep, int(count_n.max(initial=0))), len(count_n) // 2
    if half and width * len(count_n) > _MOST_KEPT:
        # One full row among many does not make room for as many values in each.
        parts = strongest(rows[:half], keep, first), strongest(rows[half:], keep, first + half if first >= 0 else -1)
        return sparse.vstack(parts, format="csr")
    key_nK = np.zeros((len(count_n), width), np.uint64)
    for row_G in _of_like_length(count_n):
        key_GW = _keys_of(rows, row_G, count_n[row_G], first)
        if key_GW.shape[1] > keep:
            key_GW.partition(-keep, axis=1)
            key_GW = key_GW[:, -keep:]
        key_nK[row_G, : key_GW.shape[1]] = key_GW
    column_nK, bits_nK, is_there_nK = _by_column(key_nK)
    offsets_n = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_there_nK.sum(1))])
    values = bits_nK[is_there_nK].view(np.float32)
    return sparse.csr_array((values, column_nK[is_there_nK].view(np.int32), offsets_n), rows.shape)


def _of_like_length(count_n: npt.NDArray[np.int32]) -> Iterator[Longs]:
    """Groups of the rows that have values, the fullest first, so that a group's are about as full."""
    order = np.argsort(-count_n, kind="stable")[: np.count_nonzero(count_n)]
    first = 0
    while first < len(order):
        stop = first + max(1, _VALUES // int(count_n[order[first]]))
        yield order[first:stop]
        first = stop


def _keys_of(rows: Matrix, row_G: Longs, count_G: npt.NDArray[np.int32], first: int) -> Keys:
    """key_GW of these rows' values; 0 for what is none of them, and for the diagonal's."""
    width = int(count_G[0])
    start_G = rows.indptr[row_G].astype(np.int64)
    # The last rows' windows begin before them, as behind them nothing is left.
    from_G = np.minimum(start_G, len(rows.data) - width)
    column_GW = sliding_window_view(rows.indices, width)[from_G]
    key_GW = _keys(sliding_window_view(rows.data, width)[from_G], column_GW)
    before_G, place_W = (start_G - from_G).astype(np.int32), np.arange(width, dtype=np.int32)
    outside_GW = place_W >= (before_G + count_G)[:, None]
    if before_G.any():
        outside_GW |= place_W < before_G[:, None]
    if first >= 0:
        outside_GW |= column_GW == (row_G + first).astype(np.int32)[:, None]
    np.putmask(key_GW, outside_GW, np.uint64(0))
    return key_GW


def _keys(value_GW: Floats, column_GW: npt.NDArray[Any]) -> Keys:
    bits_GW = value_GW.view(np.uint32)
    key_GW = (bits_GW & ~_SIGN).astype(np.uint64)
    key_GW <<= _UPPER
    low_GW = _LAST - column_GW.astype(np.uint32)
    low_GW <<= np.uint32(1)
    low_GW |= bits_GW >> np.uint32(31)
    key_GW |= low_GW
    return key_GW


def _by_column(key_nK: Keys) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """Columns of keys, ascending in each row, the bits of their values, and which of them are there."""
    low_nK = key_nK.astype(np.uint32)
    turned_nK = (_LAST - (low_nK >> np.uint32(1))).astype(np.uint64) << _UPPER
    turned_nK |= key_nK >> _UPPER
    turned_nK |= low_nK << np.uint32(31)
    np.putmask(turned_nK, key_nK <= _NOTHING, np.uint64(2**64 - 1))
    turned_nK.sort(axis=1)
    column_nK = (turned_nK >> _UPPER).astype(np.uint32)
    return column_nK, turned_nK.astype(np.uint32), column_nK <= _LAST
