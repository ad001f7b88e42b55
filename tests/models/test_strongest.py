"""The largest values of sparse rows, against a naive loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from shortlist.models import strongest as module
from shortlist.models.strongest import strongest


@given(
    seed=st.integers(0, 999),
    keep=st.integers(1, 9),
    first=st.sampled_from([-1, 0, 3]),
    share=st.sampled_from([0.0, 0.2, 0.9]),
    at_once=st.sampled_from([1, 20, 2**17]),
    kept=st.sampled_from([1, 2**23]),
)
def test_each_row_keeps_what_a_naive_loop_keeps(
    seed: int, keep: int, first: int, share: float, at_once: int, kept: int
) -> None:
    random = np.random.default_rng(seed)
    # Small whole numbers: many are equal, and some are below 0.
    block = (random.integers(-3, 4, (6, 12)) * (random.random((6, 12)) < share)).astype(np.float32)
    expected = np.zeros_like(block)
    for row in range(6):
        columns = [
            column for column in range(12) if block[row, column] and column != (row + first if first >= 0 else -1)
        ]
        for column in sorted(columns, key=lambda at: (-abs(block[row, at]), at))[:keep]:
            expected[row, column] = block[row, column]
    # Zeros are stored here and there, of either sign.
    is_stored = (block != 0) | (random.random((6, 12)) < 0.1)
    places = np.nonzero(is_stored)
    rows = sparse.csr_array((np.where(block, block, -0.0)[places].astype(np.float32), places), (6, 12))
    # A product's columns come in no order.
    for start, stop in zip(rows.indptr, rows.indptr[1:], strict=False):
        order = start + random.permutation(stop - start)
        rows.indices[start:stop], rows.data[start:stop] = rows.indices[order], rows.data[order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_VALUES", at_once)
        patch.setattr(module, "_MOST_KEPT", kept)
        found = strongest(rows, keep, first)

    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.nnz == np.count_nonzero(expected)
    assert all((np.diff(found.indices[a:b]) > 0).all() for a, b in zip(found.indptr, found.indptr[1:], strict=False))


def test_a_dense_block_is_one_whose_values_are_all_stored() -> None:
    block = np.array([[0.5, -2.0, 0.0], [1.0, 1.0, 1.0]], np.float32)
    assert strongest(block, 2).toarray().tolist() == [[0.5, -2.0, 0.0], [1.0, 1.0, 0.0]]
