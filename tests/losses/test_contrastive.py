"""The losses over positives and negatives against loops that write their formulas down."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from shortlist.losses.bpr import bpr
from shortlist.losses.ccl import ccl
from shortlist.losses.gbce import gbce
from shortlist.losses.softmax import softmax

NONE = -math.inf
POSITIVE = [0.3, -1.2, 2.0, 0.9]
NEGATIVE = [[0.1, 1.5, -0.4], [NONE, 0.7, NONE], [2.5, NONE, 0.2], [NONE, NONE, NONE]]
"""The second and third rows drew positives, the last one nothing else."""
Naive = Callable[[float, list[float]], float]


def naive_softmax(positive: float, negatives: list[float]) -> float:
    return math.log(sum(math.exp(score) for score in (positive, *negatives))) - positive


def naive_bpr(positive: float, negatives: list[float]) -> float:
    return sum(math.log(1 + math.exp(score - positive)) for score in negatives) / max(len(negatives), 1)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def naive_gbce(positive: float, negatives: list[float], share: float = 1.0, t: float = 0.0) -> float:
    beta = share * (t * (1 - 1 / share) + 1 / share)
    whole = math.log(sigmoid(positive) ** beta) + sum(math.log(1 - sigmoid(score)) for score in negatives)
    return -whole / 4


def naive_ccl(positive: float, negatives: list[float]) -> float:
    above = [max(score - 0.15, 0.0) for score in negatives]
    return 1 - positive + 3 * sum(above) / max(len(above), 1)


LOSSES = [
    pytest.param(softmax, naive_softmax, id="softmax"),
    pytest.param(bpr, naive_bpr, id="bpr"),
    pytest.param(gbce, naive_gbce, id="bce"),
    pytest.param(partial(gbce, share=0.1, t=0.75), partial(naive_gbce, share=0.1, t=0.75), id="gbce"),
    pytest.param(partial(ccl, margin=0.15, weight=3.0), naive_ccl, id="ccl"),
]
Loss = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize(("loss", "naive"), LOSSES)
def test_equals_the_loop(loss: Loss, naive: Naive) -> None:
    expected = [
        naive(positive, [score for score in negatives if score > NONE])
        for positive, negatives in zip(POSITIVE, NEGATIVE, strict=True)
    ]

    assert loss(torch.tensor(POSITIVE), torch.tensor(NEGATIVE)).tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("loss", "naive"), LOSSES)
def test_the_gradient_is_the_loops(loss: Loss, naive: Naive) -> None:
    positive_P, negative_PM = torch.tensor(POSITIVE, requires_grad=True), torch.tensor(NEGATIVE, requires_grad=True)
    loss(positive_P, negative_PM).sum().backward()

    assert positive_P.grad is not None
    assert negative_PM.grad is not None
    for row, (positive, scores) in enumerate(zip(POSITIVE, NEGATIVE, strict=True)):
        there = [place for place, score in enumerate(scores) if score > NONE]
        negatives = [scores[place] for place in there]
        ends = [naive(positive + step, negatives) for step in (1e-5, -1e-5)]
        assert positive_P.grad[row].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-4)
        for place in range(3):
            if place not in there:
                assert negative_PM.grad[row, place] == 0
                continue
            moved = [[s + step * (i == place) for i, s in zip(there, negatives, strict=True)] for step in (1e-5, -1e-5)]
            slope = (naive(positive, moved[0]) - naive(positive, moved[1])) / 2e-5
            assert negative_PM.grad[row, place].item() == pytest.approx(slope, abs=1e-4)


@pytest.mark.parametrize(("loss", "naive"), LOSSES)
def test_scores_far_apart_stay_finite(loss: Loss, naive: Naive) -> None:
    positive_P = torch.tensor([500.0, -500.0, -500.0], requires_grad=True)
    negative_PM = torch.tensor([[-500.0, NONE], [500.0, 400.0], [NONE, NONE]], requires_grad=True)
    loss_P = loss(positive_P, negative_PM)
    loss_P.sum().backward()

    assert torch.isfinite(loss_P).all()
    for scores in (positive_P, negative_PM):
        assert scores.grad is not None
        assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize(("loss", "naive"), LOSSES)
def test_lower_precision_is_computed_in_float32(loss: Loss, naive: Naive) -> None:
    positive_P, negative_PM = torch.tensor(POSITIVE).bfloat16(), torch.tensor(NEGATIVE).bfloat16()

    assert torch.equal(loss(positive_P, negative_PM), loss(positive_P.float(), negative_PM.float()))


def test_a_calibrated_positive_weighs_what_the_drawn_negatives_do() -> None:
    """At t = 1 and a tenth of the negatives drawn, a positive counts a tenth: the balance of all of them."""
    positive_P = torch.zeros(1, requires_grad=True)
    gbce(positive_P, torch.zeros(1, 1), share=0.1, t=1.0).sum().backward()

    assert positive_P.grad is not None
    assert positive_P.grad.item() == pytest.approx(-0.1 * 0.5 / 2)
