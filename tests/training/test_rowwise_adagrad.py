"""Row-wise Adagrad: by hand, against a loop, and its state's size."""

from __future__ import annotations

import math

import pytest
import torch

from shortlist.training.adagrad import Adagrad
from shortlist.training.rowwise_adagrad import RowWiseAdagrad


def test_two_steps_by_hand() -> None:
    # lr .5, eps 1, one row [1, 2].
    # g = [1, 7]:  s = (1 + 49) / 2 = 25;       w = [1, 2] - .5 · [1, 7] / (5 + 1)  = [11/12, 17/12].
    # g = [12, 0]: s = 25 + 144 / 2 = 97;       w = w - .5 · [12, 0] / (sqrt(97) + 1).
    weight = torch.tensor([[1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    optimiser = RowWiseAdagrad([weight], lr=0.5, eps=1.0)
    weight.grad = torch.tensor([[1.0, 7.0]], dtype=torch.float64)
    optimiser.step()
    assert weight.tolist()[0] == pytest.approx([11 / 12, 17 / 12], rel=1e-14)
    assert optimiser.state[weight]["sum"].tolist() == [25.0]
    weight.grad = torch.tensor([[12.0, 0.0]], dtype=torch.float64)
    optimiser.step()
    assert weight.tolist()[0] == pytest.approx([11 / 12 - 6 / (math.sqrt(97) + 1), 17 / 12], rel=1e-14)
    assert optimiser.state[weight]["sum"].tolist() == [97.0]


def test_duplicates_are_summed_before_they_are_squared() -> None:
    # Row 1: g = [1, 2] + [2, 2], s = (9 + 16) / 2 = 12.5; each by itself would give 2.5 + 4.
    # Row 2: g = [2, 2] - [2, 2], s = 0; each by itself would give 4 + 4.
    weight = torch.zeros(4, 2, requires_grad=True)
    values = torch.tensor([[1.0, 2.0], [2.0, 2.0], [2.0, 2.0], [-2.0, -2.0]])
    rows = torch.tensor([[1, 2, 1, 2]])
    weight.grad = torch.sparse_coo_tensor(rows, values, (4, 2), check_invariants=True)
    optimiser = RowWiseAdagrad([weight], lr=1.0)
    optimiser.step()
    assert optimiser.state[weight]["sum"].tolist() == [0.0, 12.5, 0.0, 0.0]
    assert weight[1].tolist() == pytest.approx([-3 / math.sqrt(12.5), -4 / math.sqrt(12.5)])
    assert weight[[0, 2, 3]].eq(0).all()


def test_equals_a_loop_over_rows() -> None:
    random = torch.Generator().manual_seed(0)
    start = torch.randn(6, 3, generator=random, dtype=torch.float64)
    weight = start.clone().requires_grad_()
    optimiser = RowWiseAdagrad([weight], lr=0.1, eps=1e-8)
    expected, sums = start.tolist(), [0.0] * 6
    for _ in range(20):
        rows = torch.randint(0, 6, (1, 9), generator=random)
        values = torch.randn(9, 3, generator=random, dtype=torch.float64)
        weight.grad = torch.sparse_coo_tensor(rows, values, (6, 3), check_invariants=True)
        optimiser.step()
        for row in set(rows[0].tolist()):
            gradient = values[rows[0] == row].sum(0).tolist()
            sums[row] += sum(g * g for g in gradient) / 3
            for place, g in enumerate(gradient):
                expected[row][place] -= 0.1 * g / (math.sqrt(sums[row]) + 1e-8)

    torch.testing.assert_close(weight.detach(), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-14)


def test_the_state_is_one_number_a_row() -> None:
    table, vector = torch.zeros(5, 3, requires_grad=True), torch.zeros(4, requires_grad=True)
    optimiser = RowWiseAdagrad([table, vector], lr=0.1)
    table.grad, vector.grad = torch.ones(5, 3), torch.ones(4)
    optimiser.step()
    assert optimiser.state[table]["sum"].shape == (5,)
    assert optimiser.state[vector]["sum"].shape == (4,)


def test_is_adagrad_where_a_row_is_one_number() -> None:
    rowwise, plain, column = (torch.ones(shape, requires_grad=True) for shape in ((5,), (5,), (5, 1)))
    by_row, by_weight = RowWiseAdagrad([rowwise, column], lr=0.2, eps=1e-10), Adagrad([plain], lr=0.2, initial=0.0)
    for scale in (1.0, -3.0, 0.5):
        rowwise.grad = plain.grad = scale * torch.arange(5.0)
        column.grad = rowwise.grad[:, None]
        by_row.step()
        by_weight.step()
    torch.testing.assert_close(rowwise, plain)
    assert torch.equal(rowwise, column[:, 0])
