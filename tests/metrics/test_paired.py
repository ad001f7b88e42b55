"""Paired comparisons: by hand, against each other, and by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shortlist.metrics._arrays import FloatArray
from shortlist.metrics._interval import Estimate, auc_interval, mean_interval
from shortlist.metrics._paired import paired_accuracy, paired_auc, paired_bootstrap, paired_difference, paired_r2
from shortlist.metrics.accuracy import accuracy
from shortlist.metrics.auc import auc
from shortlist.metrics.r2 import r2


def test_is_the_interval_of_the_differences_with_its_sign() -> None:
    a, b = np.array([0.9, 0.5, 0.4]), np.array([0.1, 0.5, 0.1])
    found = paired_difference(a, b)
    expected = mean_interval(np.array([0.8, 0.0, 0.3]))
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.value == pytest.approx(1.1 / 3)
    assert paired_difference(b, a).value == -found.value


def test_tells_apart_what_two_separate_intervals_cannot() -> None:
    random = np.random.default_rng(13)
    user = random.random(300)
    a, b = user + 0.02 + random.normal(scale=0.05, size=300), user
    assert mean_interval(a).low < mean_interval(b).high
    assert paired_difference(a, b).low > 0


def test_holds_0_as_often_as_it_says_when_nothing_differs() -> None:
    random = np.random.default_rng(14)
    held = 0
    for a, b in random.random((1000, 2, 100)):
        found = paired_difference(a, b)
        held += found.low <= 0 <= found.high
    assert held / 1000 == pytest.approx(0.95, abs=0.02)


def test_the_bootstrap_agrees_for_many_users_and_is_repeatable() -> None:
    random = np.random.default_rng(15)
    a, b = random.beta(1, 3, size=1500), random.beta(1, 4, size=1500)
    normal, resampled = paired_difference(a, b), paired_bootstrap(a, b)
    assert resampled.value == normal.value
    assert resampled.high - resampled.low == pytest.approx(normal.high - normal.low, rel=0.1)
    assert resampled == paired_bootstrap(a, b)
    assert resampled != paired_bootstrap(a, b, seed=1)


def test_the_bootstrap_of_lopsided_differences_is_lopsided() -> None:
    a = np.array([0.0] * 19 + [1.0])
    found = paired_bootstrap(a, np.zeros(20))
    assert found.low == 0.0  # no resample can go below, where the normal interval does
    assert paired_difference(a, np.zeros(20)).low < 0
    assert found.high - found.value > found.value - found.low


def test_the_same_on_both_sides_is_no_difference() -> None:
    a = np.array([0.2, 0.7])
    assert paired_difference(a, a) == paired_bootstrap(a, a) == Estimate(0.0, 0.0, 0.0)


def test_one_user_tells_nothing_about_others() -> None:
    one, other = np.array([0.5]), np.array([0.25])
    nothing = {"value": 0.25, "low": None, "high": None}
    assert paired_difference(one, other).as_dict() == nothing
    assert paired_bootstrap(one, other).as_dict() == nothing


def test_refuses_what_is_not_paired() -> None:
    with pytest.raises(ValueError, match=r"the same users on both sides, found \(2,\) and \(1,\)"):
        paired_difference(np.array([0.1, 0.2]), np.array([0.1]))
    with pytest.raises(ValueError, match="resamples must be at least 1, found 0"):
        paired_bootstrap(np.array([0.1, 0.2]), np.array([0.1, 0.2]), resamples=0)


PAIRS = [(paired_auc, auc, "label"), (paired_r2, r2, "value"), (paired_accuracy, accuracy, "class")]
PairedMetric = Callable[..., Estimate]
Metric = Callable[..., float]


def drawn(kind: str, rows: int, random: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Two predictions that are wrong by like amounts, together for the most part, and what happened."""
    hidden, shared = random.normal(size=(2, rows))
    a, b = (hidden + shared + 0.3 * random.normal(size=rows) for _ in range(2))
    if kind == "value":
        return a, b, hidden
    labels = (hidden > 0).astype(np.float64)
    return (a, b, labels) if kind == "label" else ((a > 0) * 1.0, (b > 0) * 1.0, labels)


@pytest.mark.parametrize(("paired", "metric", "kind"), PAIRS)
def test_rows_give_the_difference_of_the_two_metrics(paired: PairedMetric, metric: Metric, kind: str) -> None:
    random = np.random.default_rng(16)
    a, b, happened = drawn(kind, 200, random)
    weight = random.random(200)
    found = paired(a, b, happened, weight)
    assert found.value == pytest.approx(metric(a, happened, weight) - metric(b, happened, weight))
    assert found.low < found.value < found.high
    turned = paired(b, a, happened, weight)
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert paired(a, a, happened, weight) == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize(("paired", "metric", "kind"), PAIRS)
def test_the_interval_of_rows_holds_0_as_often_as_it_says(paired: PairedMetric, metric: Metric, kind: str) -> None:
    random = np.random.default_rng(17)
    found = [paired(*drawn(kind, 200, random)) for _ in range(600)]
    assert np.mean([each.low <= 0 <= each.high for each in found]) == pytest.approx(0.95, abs=0.025)


def test_rows_in_pairs_tell_apart_what_two_separate_intervals_cannot() -> None:
    random = np.random.default_rng(18)
    score = random.normal(size=400)
    label = score + random.normal(size=400) > 0
    worse = score + 0.6 * random.normal(size=400)
    assert auc_interval(worse, label).high > auc_interval(score, label).low
    assert paired_auc(score, worse, label).low > 0
