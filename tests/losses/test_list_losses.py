"""BPR and the softmax over a list against loops over the lists."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from shortlist.losses.list_bpr import list_bpr
from shortlist.losses.list_softmax import list_softmax

NAN = math.nan
LISTS = [0, 1, 2, 0, 0, 1, 3, 5, 5]
TARGETS = [1.0, 0.5, 0.0, 0.0, 0.0, 0.0, NAN, 1.0, NAN]
"""Lists 0 and 1 have a positive and negatives, 2 a negative alone, 3 nothing known, 5 a positive beside the unknown."""
WEIGHTS = [1.0, 3.0, 1.0, 1.0, 2.0, 3.0, 1.0, 1.0, 1.0]
SCORES = [0.5, -1.0, 2.0, 1.5, -0.7, 0.2, 90.0, 0.3, 100.0]


def naive_bpr(scores: list[float]) -> float:
    total = weight = 0.0
    for i, positive in enumerate(TARGETS):
        for j, other in enumerate(TARGETS):
            if positive > 0 and other == 0 and LISTS[i] == LISTS[j]:
                total += WEIGHTS[j] * math.log(1 + math.exp(scores[j] - scores[i]))
                weight += WEIGHTS[j]
    return total / weight


def naive_softmax(scores: list[float]) -> float:
    total = weight = 0.0
    for i, positive in enumerate(TARGETS):
        if positive > 0:
            members = [j for j, other in enumerate(TARGETS) if LISTS[i] == LISTS[j] and not math.isnan(other)]
            total += WEIGHTS[i] * (math.log(sum(math.exp(scores[j]) for j in members)) - scores[i])
            weight += WEIGHTS[i]
    return total / weight


BOTH = pytest.mark.parametrize(("loss", "naive"), [(list_bpr, naive_bpr), (list_softmax, naive_softmax)])
Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def of(loss: Loss, score_B: Tensor, targets: list[float] = TARGETS, weights: list[float] = WEIGHTS) -> Tensor:
    return loss(score_B, torch.tensor(targets), torch.tensor(weights), torch.tensor(LISTS, dtype=torch.int32))


@BOTH
def test_equals_the_loop(loss: Loss, naive: Callable[[list[float]], float]) -> None:
    assert of(loss, torch.tensor(SCORES)).item() == pytest.approx(naive(SCORES), rel=1e-5)


@BOTH
def test_the_gradient_is_the_loops(loss: Loss, naive: Callable[[list[float]], float]) -> None:
    score_B = torch.tensor(SCORES, requires_grad=True)
    of(loss, score_B).backward()

    assert score_B.grad is not None
    for place in range(len(SCORES)):
        ends = [naive([s + step * (i == place) for i, s in enumerate(SCORES)]) for step in (1e-4, -1e-4)]
        assert score_B.grad[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-4)


@pytest.mark.parametrize("loss", [list_bpr, list_softmax])
def test_nothing_to_compare_is_no_loss(loss: Loss) -> None:
    rows = len(LISTS)
    for targets, weights in (([0.0] * rows, WEIGHTS), ([NAN] * rows, WEIGHTS), (TARGETS, [0.0] * rows)):
        score_B = torch.tensor(SCORES, requires_grad=True)
        found = of(loss, score_B, targets, weights)
        found.backward()

        assert found.item() == 0
        assert score_B.grad is not None
        assert not score_B.grad.any()


@pytest.mark.parametrize("loss", [list_bpr, list_softmax])
def test_scores_far_apart_stay_finite(loss: Loss) -> None:
    score_B = torch.tensor([-500.0, 500.0, 0.0, 500.0, -500.0, -500.0, 0.0, 0.0, 0.0], requires_grad=True)
    found = of(loss, score_B)
    found.backward()

    assert torch.isfinite(found)
    assert score_B.grad is not None
    assert torch.isfinite(score_B.grad).all()
