"""Fitting a calibration: against the definitions written naively, and what cannot be calibrated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.evaluation.calibrate import MOST_KNOTS, fit_isotonic, fit_platt, pooled
from shortlist.funnel.calibration import Calibration, Isotonic, Platt
from shortlist.metrics.auc import auc
from shortlist.metrics.calibration_error import calibration_error

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Fit = Callable[[Floats, Bools, Floats], Calibration | None]


def rows(count: int, slope: float = 2.0, offset: float = -1.0, seed: int = 0) -> tuple[Floats, Bools, Floats]:
    """Logits whose rates are sigmoid(slope * logit + offset), with weights."""
    random = np.random.default_rng(seed)
    logit_N = random.normal(size=count)
    label_N = random.random(count) < 1 / (1 + np.exp(-(slope * logit_N + offset)))
    return logit_N, label_N, random.random(count) + 0.5


def naive_isotonic(value_G: Floats, weight_G: Floats) -> list[float]:
    """max over a <= i of min over b >= i of the mean of a..b (Barlow et al., 1972)."""
    number = range(len(value_G))

    def mean(a: int, b: int) -> float:
        return float(np.average(value_G[a : b + 1], weights=weight_G[a : b + 1]))

    return [max(min(mean(a, b) for b in number if b >= i) for a in number if a <= i) for i in number]


@pytest.mark.parametrize("seed", range(5))
def test_pooling_gives_the_isotonic_regression(seed: int) -> None:
    random = np.random.default_rng(seed)
    value_G, weight_G = random.random(25) + np.arange(25) / 25, random.random(25) + 0.1
    block_G = pooled(value_G, weight_G)
    mean_P = np.bincount(block_G, weights=weight_G * value_G) / np.bincount(block_G, weights=weight_G)
    assert 1 < len(mean_P) < 25
    assert mean_P[block_G] == pytest.approx(naive_isotonic(value_G, weight_G))


def test_isotonic_knots_are_the_steps_of_the_isotonic_regression() -> None:
    logit_N, label_N, weight_N = rows(40)
    order = np.argsort(logit_N)
    logit_N, label_N, weight_N = logit_N[order], label_N[order], weight_N[order]
    found = fit_isotonic(logit_N, label_N, weight_N)
    assert found is not None
    step_N = np.round(naive_isotonic(label_N.astype(float), weight_N), 12)
    steps = np.unique(step_N)
    means = [np.average(logit_N[step_N == step], weights=weight_N[step_N == step]) for step in steps]
    assert found.logits == pytest.approx(means)
    assert found.probabilities == pytest.approx(np.clip(steps, 1 / 42, 41 / 42).tolist())


def test_isotonic_of_many_rows_has_few_knots_and_mends_what_no_line_does() -> None:
    random = np.random.default_rng(4)
    logit_N = random.normal(size=20_000)
    rate_N = 0.1 + 0.5 * (logit_N > 0.3) + 0.2 * (logit_N > 1)
    label_N, weight_N = random.random(20_000) < rate_N, np.ones(20_000)
    isotonic, platt = fit_isotonic(logit_N, label_N, weight_N), fit_platt(logit_N, label_N, weight_N)
    assert isotonic is not None
    assert platt is not None
    assert 5 < len(isotonic.logits) <= MOST_KNOTS
    errors = [calibration_error(function(logit_N), label_N) for function in (isotonic, platt, Platt())]
    assert errors[0] < 0.02
    assert errors == sorted(errors)


def test_equal_logits_share_a_probability_and_rows_without_weight_say_nothing() -> None:
    logit_N = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 5.0])
    label_N = np.array([1, 0, 0, 1, 1, 0]) > 0
    found = fit_isotonic(logit_N, label_N, np.array([1.0, 1, 2, 1, 1, 0]))
    assert found == Isotonic(logits=(0.0, 1.0), probabilities=(0.25, 1 - 1 / 7))


def naive_platt(logit_N: Floats, label_N: Bools, weight_N: Floats) -> tuple[float, float]:
    """The same likelihood by coordinate search with shrinking steps."""
    weight_N = weight_N * len(weight_N) / weight_N.sum()
    positive, negative = weight_N[label_N].sum(), weight_N[~label_N].sum()
    goal_N = np.where(label_N, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(a: float, b: float) -> float:
        p_N = 1 / (1 + np.exp(-(a * logit_N + b)))
        return float(-(weight_N * (goal_N * np.log(p_N) + (1 - goal_N) * np.log(1 - p_N))).sum())

    a, b, step = 1.0, 0.0, 1.0
    while step > 1e-6:
        best = min(((a + i * step, b + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)), key=lambda ab: loss(*ab))
        if best == (a, b):
            step /= 2
        a, b = best
    return a, b


@pytest.mark.parametrize("seed", range(3))
def test_platt_finds_the_most_likely_line(seed: int) -> None:
    given = rows(300, seed=seed)
    found = fit_platt(*given)
    assert found is not None
    assert (found.slope, found.offset) == pytest.approx(naive_platt(*given), abs=1e-4)


def test_platt_finds_the_line_that_rows_were_drawn_by() -> None:
    found = fit_platt(*rows(100_000, slope=0.4, offset=-3.0))
    assert found is not None
    assert found.slope == pytest.approx(0.4, abs=0.05)
    assert found.offset == pytest.approx(-3.0, abs=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rows_that_a_logit_divides_wholly_have_a_finite_line(scale: float) -> None:
    logit_N = np.array([-2.0, -1.0, 1.0, 2.0]) * scale
    found = fit_platt(logit_N, logit_N > 0, np.ones(4))
    assert found is not None
    assert np.isfinite([found.slope, found.offset]).all()
    assert found(logit_N)[0] < 0.3
    assert found(logit_N)[-1] > 0.7


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_the_order_stays_and_weights_count_as_rows_do(fit: Fit) -> None:
    logit_N, label_N, _ = rows(400, slope=1.5)
    once = fit(logit_N, label_N, np.where(label_N, 2.0, 1.0))
    logit_M, label_M = np.concatenate([logit_N, logit_N[label_N]]), np.concatenate([label_N, label_N[label_N]])
    again = fit(logit_M, label_M, np.ones(len(logit_M)))
    assert once is not None
    assert again is not None
    assert once(logit_N) == pytest.approx(again(logit_N), abs=0.01)
    assert auc(once(logit_N), label_N) == pytest.approx(auc(logit_N, label_N), abs=0.01)


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
@pytest.mark.parametrize("slope", [-3.0, 0.0])
def test_logits_that_say_the_reverse_or_nothing_are_not_calibrated(fit: Fit, slope: float) -> None:
    logit_N, label_N, weight_N = rows(500, slope=slope)
    assert fit(logit_N if slope else np.full(500, 1 / 3), label_N, weight_N) is None


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_a_rate_counts_as_so_many_rows_of_either_label(fit: Callable[..., Calibration | None]) -> None:
    """A fifth of each row of rate .2 is positive: the same as five rows of which one is."""
    logit_N = np.random.default_rng(7).normal(size=300)
    fifths_N = np.random.default_rng(8).binomial(5, 1 / (1 + np.exp(-logit_N)))
    label_N = (np.arange(5) < fifths_N[:, None]).ravel()
    rates = fit(logit_N, fifths_N / 5, np.ones(300))
    rows_of_five = fit(np.repeat(logit_N, 5), label_N, np.full(1500, 1 / 5))
    assert rates is not None
    assert rows_of_five is not None
    assert len(np.unique(rates(logit_N))) > 200
    assert rates(logit_N) == pytest.approx(rows_of_five(logit_N), abs=0.01)


def test_rows_beyond_the_last_knot_have_the_rate_of_their_step() -> None:
    """Two steps, as wide as the logits reach: each mean prediction is that of the rows it was fitted on."""
    random = np.random.default_rng(9)
    logit_N = np.concatenate([random.uniform(-9, -1, 5000), random.uniform(1, 9, 5000)])
    label_N = random.random(10_000) < np.where(logit_N > 0, 0.3, 0.1)
    found = fit_isotonic(logit_N, label_N, np.ones(10_000))
    assert found is not None
    for end_N in (logit_N > 7, logit_N < -7):
        assert found(logit_N)[end_N].mean() == pytest.approx(label_N[end_N].mean(), abs=0.04)
