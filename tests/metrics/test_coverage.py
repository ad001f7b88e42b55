"""Coverage: against a set, by hand, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.metrics.coverage import coverage


def test_equals_the_size_of_the_set() -> None:
    random = np.random.default_rng(4)
    item, valid = random.integers(0, 500, size=(40, 10)), random.random((40, 10)) < 0.7
    seen = {item[u, k] for u in range(40) for k in range(10) if valid[u, k]}
    assert coverage(item, valid, 500) == len(seen) / 500


def test_by_hand_and_what_stands_at_places_without_an_item_does_not_count() -> None:
    item = np.array([[7, 3, -1], [3, 9, 0]])
    valid = np.array([[True, True, False], [True, True, False]])
    assert coverage(item, valid, 12) == 3 / 12


def test_empty_lists_cover_nothing() -> None:
    assert coverage(np.zeros((3, 2), dtype=np.int64), np.zeros((3, 2), dtype=np.bool_), 5) == 0.0
    assert coverage(np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2), dtype=np.bool_), 5) == 0.0


def test_refuses_what_cannot_be() -> None:
    item, valid = np.array([[1, 2, 3]]), np.ones((1, 3), dtype=np.bool_)
    with pytest.raises(ValueError, match="3 distinct items are recommended from a catalogue of 2"):
        coverage(item, valid, 2)
    with pytest.raises(ValueError, match="catalogue of 0"):
        coverage(item, ~valid, 0)
    with pytest.raises(ValueError, match=r"one shape, found \(1, 3\) and \(1, 2\)"):
        coverage(item, valid[:, :2], 5)
