"""Weights of rows in every loss: a mean by weight, and no 0 / 0 where a batch has none."""

from __future__ import annotations

import pytest
import torch

from shortlist.losses.cross_entropy import cross_entropy
from shortlist.losses.focal import focal
from shortlist.losses.in_batch_softmax import in_batch_softmax
from shortlist.losses.log_loss import log_loss
from shortlist.losses.squared_error import squared_error


def softmax(weight_B: torch.Tensor | None, query_BD: torch.Tensor) -> torch.Tensor:
    candidate_BD = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    return in_batch_softmax(query_BD, candidate_BD, torch.tensor([1, 2, 3]), torch.zeros(3), 0.5, weight_B=weight_B)


QUERY_BD = torch.tensor([[1.0, 0.0], [2.0, 0.5], [0.3, 0.1]])


def test_the_softmax_is_a_mean_by_weight() -> None:
    alone = [softmax(torch.eye(3)[row], QUERY_BD).item() for row in range(3)]

    assert softmax(None, QUERY_BD).item() == pytest.approx(sum(alone) / 3)
    weighted = softmax(torch.tensor([1.0, 0.0, 3.0]), QUERY_BD).item()
    assert weighted == pytest.approx((alone[0] + 3 * alone[2]) / 4)


def test_a_batch_without_weight_teaches_nothing() -> None:
    query_BD = QUERY_BD.clone().requires_grad_()
    logits_BC = torch.tensor([[0.3, 1.0], [-2.0, 0.0]], requires_grad=True)
    row = logits_BC[:, 0], torch.ones(2), torch.zeros(2)
    losses = [softmax(torch.zeros(3), query_BD), cross_entropy(logits_BC, *row[1:])]
    losses += [loss(*row) for loss in (log_loss, focal, squared_error)]
    sum(losses, torch.zeros(())).backward()

    assert [loss.item() for loss in losses] == [0] * 5
    for given in (query_BD, logits_BC):
        assert given.grad is not None
        assert not given.grad.any()
