"""Calibration error: against a loop over sorted rows, by hand, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.metrics.calibration_error import calibration_error


def test_equals_the_naive_loop_over_slices_of_the_sorted_rows() -> None:
    random = np.random.default_rng(2)
    probability = random.permutation(np.linspace(0.01, 0.99, 120))
    label = random.random(120) < probability**2
    order = np.argsort(probability)
    total = 0.0
    for start in range(0, 120, 12):
        rows = order[start : start + 12]
        total += len(rows) / 120 * abs(probability[rows].mean() - label[rows].mean())
    assert calibration_error(probability, label, bins=10) == pytest.approx(total, rel=1e-12)


def test_by_hand() -> None:
    # Lower half: predicted .1 and .3, one of two positive: |.2 - .5|. Upper: .6 and .8, both: |.7 - 1|.
    probability, label = np.array([0.1, 0.3, 0.6, 0.8]), np.array([0, 1, 1, 1])
    assert calibration_error(probability, label, bins=2) == pytest.approx(0.3)
    # One bin sees only the means: |.45 - .75|; four bins see every row: (.1 + .7 + .4 + .2) / 4.
    assert calibration_error(probability, label, bins=1) == pytest.approx(0.3)
    assert calibration_error(probability, label, bins=4) == pytest.approx(0.35)


def test_rates_as_predicted_have_no_error_and_reversed_ones_have_all_of_it() -> None:
    probability = np.repeat([0.25, 0.75], 4)
    label = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    assert calibration_error(probability, label, bins=2) == 0.0
    assert calibration_error(np.array([0.0, 1.0]), np.array([1, 0]), bins=2) == 1.0


def test_equal_predictions_share_a_bin_whatever_the_order_of_rows() -> None:
    probability = np.full(100, 0.3)
    label = np.arange(100) < 30
    assert calibration_error(probability, label) == pytest.approx(0.0, abs=1e-15)
    assert calibration_error(probability, label[::-1]) == pytest.approx(0.0, abs=1e-15)


def test_a_weight_of_3_is_the_row_three_times() -> None:
    random = np.random.default_rng(3)
    probability, label = random.random(60), random.random(60) < 0.5
    times = random.integers(1, 4, size=60)
    repeated = calibration_error(np.repeat(probability, times), np.repeat(label, times))
    assert calibration_error(probability, label, times.astype(np.float64)) == pytest.approx(repeated, rel=1e-12)


def test_more_bins_than_rows_is_the_mean_distance_by_row() -> None:
    probability, label = np.array([0.2, 0.9, 0.6]), np.array([0, 1, 0])
    assert calibration_error(probability, label, bins=50) == pytest.approx((0.2 + 0.1 + 0.6) / 3)


def test_refuses_no_bins_and_logits() -> None:
    with pytest.raises(ValueError, match="bins must be at least 1, found 0"):
        calibration_error(np.array([0.5]), np.array([1]), bins=0)
    with pytest.raises(ValueError, match="are these logits"):
        calibration_error(np.array([2.5]), np.array([1]))


def test_rates_between_0_and_1_are_what_is_predicted() -> None:
    assert calibration_error(np.array([0.2, 0.7]), np.array([0.25, 0.6]), bins=2) == pytest.approx((0.05 + 0.1) / 2)
