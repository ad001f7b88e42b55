"""Log loss: a hand-worked value, weights of rows, and several targets."""

from __future__ import annotations

import math

import pytest
import torch

from shortlist.losses.log_loss import log_loss
from shortlist.nn.batch import Labels


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


LOGITS_BT = torch.tensor([[logit(0.9), logit(0.5)], [logit(0.2), logit(0.25)]])
TARGETS_BT = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
ROWS = [-math.log(0.9) - math.log(0.5), -math.log(0.8) - math.log(0.25)]
"""Of each row the sum over its two targets."""


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1.0, 1.0], sum(ROWS) / 2),
        ([3.0, 1.0], (3 * ROWS[0] + ROWS[1]) / 4),
        ([0.0, 2.0], ROWS[1]),
    ],
)
def test_is_the_weighted_mean_over_rows(weights: list[float], expected: float) -> None:
    loss = log_loss(LOGITS_BT, Labels(TARGETS_BT, torch.tensor(weights)))

    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_extreme_logits_stay_finite() -> None:
    logits_BT = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    loss = log_loss(logits_BT, Labels(torch.tensor([[0.0], [0.0]]), torch.ones(2)))
    loss.backward()

    assert loss.item() == pytest.approx(5000)
    assert logits_BT.grad is not None
    assert torch.isfinite(logits_BT.grad).all()
