"""Intervals: by hand, against simulation and the bootstrap, and where the data cannot tell."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from shortlist.metrics._interval import Estimate, auc_interval, log_loss_interval, mean_interval
from shortlist.metrics.auc import auc
from shortlist.metrics.log_loss import log_loss

Z95 = 1.959963984540054


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_mean_interval_by_hand() -> None:
    # Mean 2.5, variance (2.25 + .25 + .25 + 2.25) / 3 = 5/3, standard error sqrt(5/3 / 4).
    found = mean_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    half = Z95 * math.sqrt(5 / 12)
    assert (found.value, found.low, found.high) == pytest.approx((2.5, 2.5 - half, 2.5 + half))


def test_mean_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(6)
    for confidence in (0.8, 0.95):
        held = 0
        for values in random.exponential(size=(1000, 200)):
            found = mean_interval(values, confidence=confidence)
            held += found.low <= 1.0 <= found.high
        assert held / 1000 == pytest.approx(confidence, abs=0.03)


def test_a_higher_confidence_is_a_wider_interval() -> None:
    values = np.random.default_rng(7).random(50)
    assert width(mean_interval(values, confidence=0.99)) == pytest.approx(
        width(mean_interval(values)) * 2.5758293035489004 / Z95
    )


def test_weights_equal_weights_change_nothing_and_a_weight_of_0_is_no_value() -> None:
    values = np.random.default_rng(8).random(30)
    plain, equal = mean_interval(values), mean_interval(values, np.full(30, 2.5))
    assert (equal.value, equal.low) == pytest.approx((plain.value, plain.low))
    without = mean_interval(np.append(values, 99.0), np.append(np.ones(30), 0.0))
    assert (without.value, without.low) == pytest.approx((plain.value, plain.low))


def test_weighted_error_agrees_with_the_bootstrap() -> None:
    random = np.random.default_rng(9)
    values, weights = random.normal(size=400), random.exponential(size=400)
    draws = random.integers(400, size=(2000, 400))
    means = (values[draws] * weights[draws]).sum(axis=1) / weights[draws].sum(axis=1)
    assert width(mean_interval(values, weights)) == pytest.approx(2 * Z95 * means.std(), rel=0.1)


@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_agree_with_a_naive_loop(weighted: bool) -> None:
    random = np.random.default_rng(10)
    cluster = random.integers(0, 7, 40) * 3
    values = random.random(40) + cluster / 5
    weights = random.exponential(size=40) if weighted else np.ones(40)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
    squares = 0.0
    for name in set(cluster.tolist()):
        squares += sum(weights[i] * (values[i] - mean) for i in range(40) if cluster[i] == name) ** 2
    count = len(set(cluster.tolist()))
    half = Z95 * math.sqrt(squares * count / (count - 1)) / sum(weights)

    found = mean_interval(values, weights if weighted else None, cluster_U=cluster)
    assert (found.value, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    assert width(found) > 1.5 * width(mean_interval(values, weights if weighted else None))


def test_clusters_of_one_change_nothing_and_one_cluster_leaves_no_interval() -> None:
    values = np.random.default_rng(11).random(30)
    alone, plain = mean_interval(values, cluster_U=np.arange(30)[::-1]), mean_interval(values)
    assert (alone.value, alone.low) == pytest.approx((plain.value, plain.low))
    twice = mean_interval(np.repeat(values, 2), cluster_U=np.repeat(np.arange(30), 2))
    assert width(twice) == pytest.approx(width(plain))
    assert math.isnan(mean_interval(values, cluster_U=np.zeros(30, np.int32)).low)
    with pytest.raises(ValueError, match="values and clusters of one length"):
        mean_interval(values, cluster_U=np.arange(29))


def test_one_user_has_a_value_and_no_interval() -> None:
    found = mean_interval(np.array([0.4]))
    assert found.value == 0.4
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert json.dumps(found.as_dict(), allow_nan=False) == '{"value": 0.4, "low": null, "high": null}'


def test_equal_values_leave_no_doubt() -> None:
    assert mean_interval(np.ones(5)) == Estimate(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "weights", "confidence", "says"),
    [
        ([], None, 0.95, "at least one value"),
        ([1.0, np.nan, np.inf], None, 0.95, "2 of 3 values are not finite"),
        ([1.0, 2.0], [1.0], 0.95, "one length"),
        ([[1.0]], None, 0.95, "one length"),
        ([1.0, 2.0], [1.0, -1.0], 0.95, "not negative"),
        ([1.0, 2.0], [0.0, 0.0], 0.95, "weight above 0"),
        ([1.0, 2.0], None, 1.0, "confidence must lie between 0 and 1, found 1"),
        ([1.0, 2.0], None, 95, "confidence must lie between 0 and 1, found 95"),
    ],
)
def test_mean_interval_refuses(values: list[float], weights: list[float] | None, confidence: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        mean_interval(np.array(values), None if weights is None else np.array(weights), confidence)


def naive_delong(score: list[float], label: list[int]) -> tuple[float, float]:
    """AUC and DeLong's variance from all pairs, as published in 1988."""
    positives = [s for s, y in zip(score, label, strict=True) if y]
    negatives = [s for s, y in zip(score, label, strict=True) if not y]

    def right(x: float, y: float) -> float:
        return 1.0 if x > y else 0.5 if x == y else 0.0

    by_positive = [sum(right(x, y) for y in negatives) / len(negatives) for x in positives]
    by_negative = [sum(right(x, y) for x in positives) / len(positives) for y in negatives]
    area = sum(by_positive) / len(by_positive)
    s10 = sum((v - area) ** 2 for v in by_positive) / (len(positives) - 1)
    s01 = sum((v - area) ** 2 for v in by_negative) / (len(negatives) - 1)
    return area, s10 / len(positives) + s01 / len(negatives)


def test_auc_interval_is_delongs() -> None:
    random = np.random.default_rng(10)
    for _ in range(20):
        label = np.append(random.random(38) < 0.3, [True, True, False, False])
        score = np.round(random.normal(size=42) + label, 1)
        area, variance = naive_delong(score.tolist(), label.tolist())
        found = auc_interval(score, label)
        assert found.value == auc(score, label) == pytest.approx(area, abs=1e-12)
        half = Z95 * math.sqrt(variance)
        assert found.low == pytest.approx(area - half, abs=1e-12)
        assert found.high == pytest.approx(min(area + half, 1.0), abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_interval_agrees_with_the_bootstrap(weighted: bool) -> None:
    random = np.random.default_rng(11)
    label = random.random(600) < 0.2
    score = np.round(random.normal(size=600) + label, 1)
    weight = random.exponential(size=600) if weighted else np.ones(600)
    areas = []
    for _ in range(1000):
        rows = random.integers(600, size=600)
        areas.append(auc(score[rows], label[rows], weight[rows]))
    found = auc_interval(score, label, weight)
    assert found.value == auc(score, label, weight)
    assert width(found) == pytest.approx(2 * Z95 * np.std(areas), rel=0.1)


def test_auc_interval_of_a_perfect_ranking_and_of_a_single_positive() -> None:
    score = np.array([0.1, 0.2, 0.8, 0.9])
    assert auc_interval(score, np.array([0, 0, 1, 1])) == Estimate(1.0, 1.0, 1.0)
    single = auc_interval(score, np.array([0, 0, 1, 0]))
    assert single.as_dict() == {"value": pytest.approx(2 / 3), "low": None, "high": None}


def test_auc_interval_stays_within_0_and_1() -> None:
    found = auc_interval(np.array([0.1, 0.5, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    assert found.value == 0.75
    assert found.high == 1.0
    assert found.low > 0.0


def test_log_loss_interval_is_that_of_the_mean_of_the_losses() -> None:
    random = np.random.default_rng(12)
    probability, label, weight = random.random(80), random.random(80) < 0.5, random.random(80)
    each = np.array([log_loss(probability[row : row + 1], label[row : row + 1]) for row in range(80)])
    found = log_loss_interval(probability, label, weight)
    assert found == mean_interval(each, weight)
    assert found.value == pytest.approx(log_loss(probability, label, weight), rel=1e-12)
