"""What models of who had which item share: the matrix of it, the weights of its terms, and operators on histories.

Legend: U users, I item rows, n item rows of one block, M stored values of a block, R rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from shortlist.core.errors import DataError
from shortlist.features.rows import Floats, Ints, Longs
from shortlist.models.base import Fitted, Interactions

Doubles = npt.NDArray[np.float64]
Matrix = Any
"""A scipy.sparse.csr_array: the package has no types."""

BLOCK = 512
"""Item rows whose products are held at once, at most."""
_DENSE = 0.1
"""Share of the weights from which on a matrix with all of them is faster than one that names them."""


def user_items(log: Interactions) -> Matrix:
    """matrix_UI: 1 where the user had the item, however often; DataError where nobody had any."""
    bag, known_n = log.events.items, known(log)
    item_n = bag.values[bag.offsets_n[0] : bag.offsets_n[-1]][known_n]
    before_n = np.concatenate([np.zeros(1, np.int64), np.cumsum(known_n)])
    offsets_U = before_n[bag.offsets_n - bag.offsets_n[0]]
    ones = np.ones(len(item_n), np.float32)
    matrix_UI = sparse.csr_array((ones, item_n, offsets_U), (len(bag), log.items))
    # Columns beyond the shape would be written to, unseen.
    matrix_UI.check_format(full_check=True)
    matrix_UI.sum_duplicates()
    matrix_UI.data[:] = 1
    return matrix_UI


def known(log: Interactions) -> npt.NDArray[np.bool_]:
    """Which events are of a known item; DataError where none is."""
    known_n: npt.NDArray[np.bool_] = log.events.items.flat()[1] > 0
    if not known_n.any():
        raise DataError("there is no event of a known item to learn from: look at [split] and at what is relevant")
    return known_n


def counts(matrix: Matrix, axis: int) -> Doubles:
    """Sum over an axis, to the last event."""
    summed: Doubles = np.asarray(matrix.sum(axis=axis, dtype=np.float64)).reshape(-1)
    return summed


def had(matrix_UI: Matrix) -> Longs:
    """Rows of the items that anybody had, ascending."""
    return np.flatnonzero(counts(matrix_UI, 0))


def row_blocks(matrix_UI: Matrix, most: int) -> Iterator[tuple[int, int]]:
    """First row and the one after the last of blocks of items, whose products with all items store at most `most`.

    A block has `BLOCK` rows at most, and one at least. An item goes together with no more items than its users had.
    """
    length_U = np.diff(matrix_UI.indptr).astype(np.float64)
    pattern_UI = sparse.csr_array((np.ones(len(matrix_UI.data)), matrix_UI.indices, matrix_UI.indptr), matrix_UI.shape)
    stored_I = np.cumsum(np.minimum(pattern_UI.T @ length_U, matrix_UI.shape[1]))
    first = 0
    while first < len(stored_I):
        before = stored_I[first - 1] if first else 0
        stop = int(np.searchsorted(stored_I, before + most, side="right"))
        stop = min(max(stop, first + 1), first + BLOCK)
        yield first, stop
        first = stop


def inverse_frequency(count_T: Doubles, documents: int) -> Doubles:
    """How much a term tells that `count_T` of the documents have: log(documents / (1 + count)), never below 0."""
    weight_T: Doubles = np.maximum(np.log(max(documents, 1)) - np.log1p(count_T), 0.0)
    return weight_T


def bm25_saturation(length_T: Doubles, k1: float, b: float) -> Doubles:
    """What a term that is there once counts in documents of these lengths: less in long ones."""
    mean = length_T[length_T > 0].mean() if (length_T > 0).any() else 1.0
    saturation_T: Doubles = (k1 + 1) / (k1 * (1 - b + b * length_T / mean) + 1)
    return saturation_T


def operator(blocks: Iterable[Matrix], items_J: Longs) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an operator between the items `items_J` from the sparse rows of all items, block after block.

    They are `offsets`, `columns` and `weights`, or where many weights are there `dense`: five times the memory at most,
    and summed more than ten times as fast for each weight. `items` are the items in both cases.
    """
    columns: list[Ints] = []
    weights: list[Floats] = []
    counted: list[Longs] = [np.zeros(1, np.int64)]
    for block in blocks:
        columns.append(block.indices.astype(np.int32))
        weights.append(block.data.astype(np.float32))
        counted.append(np.diff(block.indptr).astype(np.int64))
    count_n, column_P, weight_P = np.concatenate(counted), np.concatenate(columns), np.concatenate(weights)
    if len(weight_P) < len(items_J) ** 2 * _DENSE:
        items = items_J.astype(np.int32)
        return {"offsets": np.cumsum(count_n), "columns": column_P, "weights": weight_P, "items": items}
    row_P = np.repeat(np.arange(len(count_n) - 1), count_n[1:])
    dense_JJ = np.zeros((len(items_J), len(items_J)), np.float32)
    dense_JJ[np.searchsorted(items_J, row_P), np.searchsorted(items_J, column_P)] = weight_P
    return dense_operator(dense_JJ, items_J)


def dense_operator(dense_JJ: Floats, items_J: Longs) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an operator between the items `items_J` from all its weights."""
    return {"dense": dense_JJ, "items": items_J.astype(np.int32)}


def on_histories(arrays: Mapping[str, npt.NDArray[Any]], half_life: float | None = None) -> Fitted:
    """An operator from the items of a history to all items."""
    return Fitted("item_to_item", arrays, {"half_life": half_life})
