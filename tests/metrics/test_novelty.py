"""Novelty: by hand, its landmarks, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shortlist.metrics.novelty import novelty


def test_by_hand() -> None:
    # Counts 7, 3, 0 with one added: shares 8/13, 4/13, 1/13. Recommended: item 0, item 0, item 2.
    item, valid = np.array([[0, 1], [0, 2]]), np.array([[True, False], [True, True]])
    expected = -(2 * math.log2(8 / 13) + math.log2(1 / 13)) / 3
    assert novelty(item, valid, np.array([7, 3, 0])) == pytest.approx(expected)


def test_an_evenly_popular_catalogue_gives_its_size_in_bits() -> None:
    item = np.random.default_rng(5).integers(0, 32, size=(6, 4))
    assert novelty(item, np.ones((6, 4), dtype=np.bool_), np.full(32, 9)) == pytest.approx(5.0)


def test_best_sellers_are_less_novel_than_the_tail() -> None:
    count, valid = np.array([1000, 10, 1]), np.ones((1, 1), dtype=np.bool_)
    first, second, third = (novelty(np.array([[item]]), valid, count) for item in range(3))
    assert first < second < third


def test_refuses_what_cannot_be() -> None:
    item, count = np.array([[1, 2]]), np.array([1, 1, 1])
    with pytest.raises(ValueError, match="no list holds any item"):
        novelty(item, np.zeros((1, 2), dtype=np.bool_), count)
    with pytest.raises(ValueError, match="one shape"):
        novelty(item, np.ones((2, 1), dtype=np.bool_), count)
