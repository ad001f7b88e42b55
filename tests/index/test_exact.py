"""The exact index against a naive loop over items."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.features.rows import Floats, RaggedBag
from shortlist.index import exact
from shortlist.index.exact import ExactIndex

DIM = 3


def vectors(rows: int, seed: int) -> Floats:
    """Whole numbers, so that scores are exact and often equal."""
    return np.random.default_rng(seed).integers(-2, 3, (rows, DIM)).astype(np.float32)


def naive(query_D: Floats, vectors_ID: Floats, k: int, without: set[int], within: set[int]) -> list[tuple[int, float]]:
    found = [
        (item, sum(float(a) * float(b) for a, b in zip(query_D, vectors_ID[item], strict=True)))
        for item in range(1, len(vectors_ID))
        if item not in without and item in within
    ]
    # Python's sort is stable: of equal scores the lower item row comes first.
    return sorted(found, key=lambda pair: -pair[1])[:k]


# Rows of items that came after the vectors are asked about, too.
item_lists = st.lists(st.lists(st.integers(1, 14), max_size=8), min_size=3, max_size=3)


@given(
    seed=st.integers(0, 99),
    k=st.integers(1, 15),
    exclude=st.none() | item_lists,
    allowed=st.none() | item_lists,
    ineligible=st.none() | st.sets(st.integers(1, 11)),
    block=st.sampled_from([(1, 1, 0), (6, 2, 0), (2**20, 128, 0), (2**20, 128, 2**17)]),
)
def test_equals_the_naive_loop(
    seed: int,
    k: int,
    exclude: list[list[int]] | None,
    allowed: list[list[int]] | None,
    ineligible: set[int] | None,
    block: tuple[int, int, int],
) -> None:
    vectors_ID, query_UD = vectors(12, seed), vectors(3, seed + 1)
    eligible_I = None if ineligible is None else np.array([i not in ineligible for i in range(12)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK_FLOATS", block[0])
        patch.setattr(exact, "QUERIES", block[1])
        patch.setattr(exact, "_AT_ONCE", block[2])
        item_UK, score_UK = ExactIndex(vectors_ID, eligible_I).search(
            query_UD, k, RaggedBag.of(exclude) if exclude else None, RaggedBag.of(allowed) if allowed else None
        )

    assert item_UK.shape == score_UK.shape == (3, k)
    for u in range(3):
        without = {*(exclude[u] if exclude else ()), *(ineligible or ())}
        within = set(allowed[u]) if allowed else set(range(12))
        expected = naive(query_UD[u], vectors_ID, k, without, within)
        missing = k - len(expected)
        assert item_UK[u].tolist() == [item for item, _ in expected] + [0] * missing
        assert score_UK[u].tolist() == [score for _, score in expected] + [-np.inf] * missing


def test_nothing_allowed_finds_nothing() -> None:
    item_UK, score_UK = ExactIndex(vectors(12, 0)).search(vectors(2, 1), 3, allowed=RaggedBag.of([[], [4]]))

    assert item_UK[0].tolist() == [0, 0, 0]
    assert item_UK[1].tolist() == [4, 0, 0]
    assert np.isneginf(score_UK[0]).all()


def test_row_0_is_never_found() -> None:
    vectors_ID = np.array([[9.0], [1.0], [2.0]], np.float32)
    item_UK, _ = ExactIndex(vectors_ID, np.ones(3, bool)).search(np.ones((1, 1), np.float32), 3)

    assert item_UK.tolist() == [[2, 1, 0]]


def test_no_query_and_no_item_are_no_error() -> None:
    found, _ = ExactIndex(vectors(12, 0)).search(np.zeros((0, DIM), np.float32), 3)
    nothing, _ = ExactIndex(vectors(1, 0)).search(vectors(2, 1), 3)

    assert found.shape == (0, 3)
    assert nothing.tolist() == [[0, 0, 0]] * 2


def test_memory_does_not_grow_with_the_catalogue() -> None:
    vectors_ID, query_UD = vectors(300_000, 0), vectors(64, 1)
    index = ExactIndex(vectors_ID)
    tracemalloc.start()
    try:
        index.search(query_UD, 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 32 * 2**20 < 300_000 * 64 * 4
