"""Accuracy: against a loop, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.metrics.accuracy import accuracy


def test_equals_the_naive_loop() -> None:
    random = np.random.default_rng(0)
    predicted, label, weight = random.integers(4, size=200), random.integers(4, size=200), random.random(200)
    right = sum(w for p, t, w in zip(predicted, label, weight, strict=True) if p == t)
    assert accuracy(predicted, label, weight) == pytest.approx(right / weight.sum(), rel=1e-12)


def test_by_hand() -> None:
    assert accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75
    assert accuracy(np.array([0, 1]), np.array([0, 0]), np.array([3.0, 1.0])) == 0.75


@pytest.mark.parametrize("weight", [[0.0, 0.0], [1.0, -1.0], [1.0, np.nan]])
def test_refuses_weights_that_are_none(weight: list[float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        accuracy(np.array([0, 1]), np.array([0, 1]), np.array(weight))
