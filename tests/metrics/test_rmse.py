"""Root mean squared error, against a naive loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shortlist.metrics._interval import rmse_interval
from shortlist.metrics.rmse import rmse


def test_it_is_that_of_a_naive_loop() -> None:
    random = np.random.default_rng(0)
    value_N, target_N, weight_N = random.normal(size=50), random.normal(size=50), random.random(50)
    total = sum(w * (v - t) ** 2 for v, t, w in zip(value_N, target_N, weight_N, strict=True))
    assert rmse(value_N, target_N, weight_N) == pytest.approx(math.sqrt(total / weight_N.sum()))
    assert rmse(target_N, target_N) == 0


def test_its_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = rmse_interval(random.normal(size=200), np.zeros(200))
        held += found.low <= 1 <= found.high
    assert 0.9 < held / 300 < 0.99


def test_a_single_row_has_no_interval() -> None:
    found = rmse_interval(np.array([2.0]), np.array([5.0]))
    assert found.value == 3
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        rmse(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="not finite"):
        rmse(np.array([np.nan]), np.zeros(1))
