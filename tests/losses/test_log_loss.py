"""Log loss: a hand-worked value, weights of rows, and rows that do not tell."""

from __future__ import annotations

import math

import pytest
import torch

from shortlist.losses.log_loss import log_loss


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


LOGIT_B = torch.tensor([logit(0.9), logit(0.2), logit(0.5)])
TARGET_B = torch.tensor([1.0, 0.0, 0.25])
ROWS = [-math.log(0.9), -math.log(0.8), math.log(2)]


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [3.0, 1.0, 2.0], [0.0, 2.0, 0.0]])
def test_is_the_weighted_mean_over_rows(weights: list[float]) -> None:
    loss = log_loss(LOGIT_B, TARGET_B, torch.tensor(weights))

    expected = sum(w * row for w, row in zip(weights, ROWS, strict=True)) / sum(weights)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_a_row_that_does_not_tell_is_not_there() -> None:
    logit_B = LOGIT_B.clone().requires_grad_()
    loss = log_loss(logit_B, torch.tensor([1.0, math.nan, math.nan]), torch.tensor([1.0, 5.0, 1.0]))
    loss.backward()

    assert loss.item() == pytest.approx(ROWS[0], rel=1e-6)
    assert logit_B.grad is not None
    assert logit_B.grad[1:].tolist() == [0, 0]
    assert logit_B.grad[0] == pytest.approx(-0.1, rel=1e-5)


def test_extreme_logits_stay_finite() -> None:
    logit_B = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = log_loss(logit_B, torch.zeros(2), torch.ones(2))
    loss.backward()

    assert loss.item() == pytest.approx(5000)
    assert logit_B.grad is not None
    assert torch.isfinite(logit_B.grad).all()
