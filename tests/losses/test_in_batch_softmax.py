"""The in-batch softmax against a loop that writes its formula down."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from shortlist.losses.in_batch_softmax import in_batch_softmax

TEMPERATURE = 0.3


def naive(query_BD: Tensor, candidate_BD: Tensor, items: list[int], log_q: list[float], temperature: float) -> float:
    losses = []
    for row in range(len(items)):
        scores = {
            other: float(query_BD[row] @ candidate_BD[other]) / temperature - log_q[other]
            for other in range(len(items))
            if other == row or items[other] != items[row]
        }
        losses.append(math.log(sum(math.exp(score) for score in scores.values())) - scores[row])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("items", [[1, 2, 3, 4, 5], [1, 2, 1, 1, 2]], ids=["distinct", "accidental hits"])
@pytest.mark.parametrize("share", [[0.2] * 5, [0.5, 0.2, 0.1, 0.15, 0.05]], ids=["equal", "popular"])
def test_equals_the_loop(items: list[int], share: list[float]) -> None:
    torch.manual_seed(0)
    query_BD, candidate_BD = torch.randn(5, 3, dtype=torch.double), torch.randn(5, 3, dtype=torch.double)
    log_q = [math.log(share[item - 1]) for item in items]
    loss = in_batch_softmax(query_BD, candidate_BD, torch.tensor(items), torch.tensor(log_q), TEMPERATURE)

    assert loss.item() == pytest.approx(naive(query_BD, candidate_BD, items, log_q, TEMPERATURE), rel=1e-6)


def test_a_batch_of_one_item_teaches_nothing() -> None:
    """Every other place is an accidental hit: no negative is left, and no gradient either."""
    query_BD = torch.randn(3, 2, requires_grad=True)
    loss = in_batch_softmax(query_BD, torch.randn(3, 2), torch.tensor([7, 7, 7]), torch.zeros(3), 1.0)
    loss.backward()

    assert loss.item() == 0
    assert query_BD.grad is not None
    assert query_BD.grad.abs().max() == 0


def test_log_q_takes_the_batchs_popularity_out() -> None:
    """With equal scores it is the softmax weighted by 1 / q: rare negatives count more."""
    zeros = torch.zeros(2, 1)
    loss = in_batch_softmax(zeros, zeros, torch.tensor([1, 2]), torch.tensor([0.8, 0.2]).log(), 1.0)

    # Weights 1/.8 and 1/.2: shares .2 and .8.
    assert loss.item() == pytest.approx(-(math.log(0.2) + math.log(0.8)) / 2)


def test_what_the_same_user_chose_is_no_negative() -> None:
    query_BD, candidate_BD = torch.randn(4, 3), torch.randn(4, 3)
    items, nobody_else = torch.tensor([1, 2, 3, 4]), torch.zeros(4)

    loss = in_batch_softmax(query_BD, candidate_BD, items, nobody_else, 1.0, user_B=torch.tensor([7, 8, 7, 9]))

    logits = (query_BD @ candidate_BD.T).tolist()
    others = [(0, (1, 3)), (1, (0, 2, 3)), (2, (1, 3)), (3, (0, 1, 2))]
    expected = [math.log(sum(math.exp(logits[i][j]) for j in (i, *js))) - logits[i][i] for i, js in others]
    assert loss.item() == pytest.approx(sum(expected) / 4, rel=1e-5)
