"""Focal loss against a loop over its formula."""

from __future__ import annotations

import math

import pytest
import torch

from shortlist.losses.focal import focal
from shortlist.losses.log_loss import log_loss


def naive(logits: list[float], targets: list[float], weights: list[float], gamma: float) -> float:
    total = 0.0
    for logit, target, weight in zip(logits, targets, weights, strict=True):
        p = 1 / (1 + math.exp(-logit))
        total -= weight * target * (1 - p) ** gamma * math.log(p)
        total -= weight * (1 - target) * p**gamma * math.log(1 - p)
    return total / sum(weights)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_equals_the_loop(gamma: float) -> None:
    logits, targets, weights = [0.3, -2.0, 4.0, 1.0, -3.0], [1.0, 0.0, 1.0, 0.25, 1.0], [1.0, 2.0, 0.5, 1.0, 0.0]
    loss = focal(torch.tensor(logits), torch.tensor(targets), torch.tensor(weights), gamma)

    assert loss.item() == pytest.approx(naive(logits, targets, weights, gamma), rel=1e-5)


def test_without_gamma_it_is_the_log_loss() -> None:
    logit_B, target_B, weight_B = torch.randn(50), torch.randint(0, 2, (50,)).float(), torch.rand(50)

    assert focal(logit_B, target_B, weight_B, 0.0).item() == pytest.approx(
        log_loss(logit_B, target_B, weight_B).item(), rel=1e-5
    )


def test_extreme_logits_have_finite_gradients() -> None:
    logit_B = torch.tensor([200.0, -200.0, 200.0, 0.0], requires_grad=True)
    focal(logit_B, torch.tensor([1.0, 1.0, 0.0, math.nan]), torch.ones(4)).backward()

    assert logit_B.grad is not None
    assert torch.isfinite(logit_B.grad).all()
    assert logit_B.grad[3] == 0
