"""Log loss: against a loop, by hand, clipped, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shortlist.metrics.log_loss import log_loss


def test_equals_the_naive_loop() -> None:
    random = np.random.default_rng(1)
    probability, label, weight = random.random(200), random.random(200) < 0.4, random.random(200)
    total = 0.0
    for p, y, w in zip(probability, label, weight, strict=True):
        total -= w * math.log(p if y else 1 - p)
    assert log_loss(probability, label, weight) == pytest.approx(total / weight.sum(), rel=1e-12)


def test_by_hand() -> None:
    # -(ln .5 + ln .8) / 2
    assert log_loss(np.array([0.5, 0.2]), np.array([1, 0])) == pytest.approx(-(math.log(0.4)) / 2)


def test_the_base_rate_everywhere_costs_its_entropy() -> None:
    label = np.arange(10) < 3
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert log_loss(np.full(10, 0.3), label) == pytest.approx(entropy)


@pytest.mark.parametrize(("probability", "label"), [(0.0, 1), (1.0, 0), (1e-12, 1)])
def test_certain_and_wrong_is_clipped_at_float32_epsilon(probability: float, label: int) -> None:
    cost = log_loss(np.array([probability], dtype=np.float32), np.array([label]))
    assert cost == pytest.approx(-math.log(2.0**-23))


@pytest.mark.parametrize(("probability", "label"), [(0.0, 0), (1.0, 1)])
def test_certain_and_right_costs_next_to_nothing(probability: float, label: int) -> None:
    assert 0 < log_loss(np.array([probability]), np.array([label])) < 2e-7


def test_rows_of_weight_0_are_not_there() -> None:
    assert log_loss(np.array([0.5, 0.0]), np.array([1, 1]), np.array([3.0, 0.0])) == pytest.approx(math.log(2))


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_refuses_logits(value: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], found .* are these logits\?"):
        log_loss(np.array([0.5, value]), np.array([0, 1]))


def test_a_rate_costs_as_so_many_rows_of_either_label() -> None:
    assert log_loss(np.array([0.3, 0.6]), np.array([0.25, 0.0])) == pytest.approx(
        log_loss(np.array([0.3, 0.3, 0.6]), np.array([1, 0, 0]), np.array([0.25, 0.75, 1.0]))
    )
    with pytest.raises(ValueError, match=r"labels must be 0 or 1, found 1\.5"):
        log_loss(np.array([0.3]), np.array([1.5]))
