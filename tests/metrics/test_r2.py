"""R2: against a loop, by hand, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.metrics.r2 import r2


def test_equals_the_naive_loop() -> None:
    random = np.random.default_rng(0)
    value, target, weight = random.normal(size=200), random.normal(size=200), random.random(200)
    mean = sum(w * t for w, t in zip(weight, target, strict=True)) / weight.sum()
    error = spread = 0.0
    for v, t, w in zip(value, target, weight, strict=True):
        error += w * (t - v) ** 2
        spread += w * (t - mean) ** 2
    assert r2(value, target, weight) == pytest.approx(1 - error / spread, rel=1e-12)


def test_by_hand() -> None:
    target = np.array([1.0, 2.0, 3.0])
    assert r2(target, target) == 1
    assert r2(np.full(3, 2.0), target) == 0
    # Squared errors 1 + 0 + 1 beside a spread of 2; turned round 4 + 0 + 4.
    assert r2(np.array([0.0, 2.0, 4.0]), target) == 0
    assert r2(target[::-1], target) == -3


def test_rows_of_weight_0_are_not_there() -> None:
    assert r2(np.array([1.0, 2.0, 9.0]), np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 0.0])) == 1


@pytest.mark.parametrize(
    ("value", "target", "message"),
    [
        ([1.0, 2.0], [5.0, 5.0], r"all 2 are 5"),
        ([1.0, np.nan], [1.0, 2.0], r"1 of 2 predictions are not finite"),
        ([1.0, 2.0], [1.0, np.inf], r"1 of 2 targets are not finite"),
        ([1.0], [1.0, 2.0], r"arrays of one length"),
        ([], [], r"no row"),
    ],
)
def test_what_cannot_be_measured(value: list[float], target: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        r2(np.array(value), np.array(target))
