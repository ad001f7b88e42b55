"""Weights of rows in every loss: a mean by weight, and no 0 / 0 where a batch has none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from shortlist.losses.cross_entropy import cross_entropy
from shortlist.losses.focal import focal
from shortlist.losses.log_loss import log_loss
from shortlist.losses.squared_error import squared_error


@pytest.mark.parametrize("loss", [log_loss, focal, squared_error])
def test_a_loss_is_a_mean_by_weight(loss: Callable[..., torch.Tensor]) -> None:
    outputs_B, targets_B = torch.tensor([0.3, -1.0, 2.0]), torch.tensor([1.0, 0.0, 1.0])
    alone = [loss(outputs_B, targets_B, torch.eye(3)[row]).item() for row in range(3)]

    assert loss(outputs_B, targets_B, torch.ones(3)).item() == pytest.approx(sum(alone) / 3)
    weighted = loss(outputs_B, targets_B, torch.tensor([1.0, 0.0, 3.0])).item()
    assert weighted == pytest.approx((alone[0] + 3 * alone[2]) / 4)


def test_a_batch_without_weight_teaches_nothing() -> None:
    logits_BC = torch.tensor([[0.3, 1.0], [-2.0, 0.0]], requires_grad=True)
    row = logits_BC[:, 0], torch.ones(2), torch.zeros(2)
    losses = [cross_entropy(logits_BC, *row[1:]), *(loss(*row) for loss in (log_loss, focal, squared_error))]
    sum(losses, torch.zeros(())).backward()

    assert [loss.item() for loss in losses] == [0] * 4
    assert logits_BC.grad is not None
    assert not logits_BC.grad.any()
