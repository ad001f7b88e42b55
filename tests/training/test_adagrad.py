"""Adagrad: by hand, and against torch's."""

from __future__ import annotations

import pytest
import torch

from shortlist.training.adagrad import Adagrad


def test_two_steps_by_hand() -> None:
    # lr .5, initial 16, eps 1, w 2.
    # g = 3: s = 16 + 9 = 25;    w = 2 - .5 · 3 / (5 + 1)  = 1.75.
    # g = 12: s = 25 + 144 = 169; w = 1.75 - .5 · 12 / (13 + 1) = 1.75 - 3/7.
    weight = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    optimiser = Adagrad([weight], lr=0.5, initial=16.0, eps=1.0)
    weight.grad = torch.tensor([3.0], dtype=torch.float64)
    optimiser.step()
    assert weight.item() == 1.75
    weight.grad = torch.tensor([12.0], dtype=torch.float64)
    optimiser.step()
    assert weight.item() == pytest.approx(1.75 - 3 / 7, rel=1e-14)
    assert optimiser.state[weight]["sum"].item() == 169.0


def test_equals_torchs() -> None:
    random = torch.Generator().manual_seed(0)
    start = torch.randn(30, 4, generator=random, dtype=torch.float64)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    optimiser = Adagrad([ours], lr=0.1)
    reference = torch.optim.Adagrad([theirs], lr=0.1, initial_accumulator_value=0.1)
    for _ in range(20):
        rows = torch.randint(0, 30, (1, 25), generator=random)
        values = torch.randn(25, 4, generator=random, dtype=torch.float64)
        ours.grad = torch.sparse_coo_tensor(rows, values, (30, 4), check_invariants=True)
        theirs.grad = ours.grad.to_dense()
        optimiser.step()
        reference.step()

    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(optimiser.state[ours]["sum"], reference.state[theirs]["sum"], rtol=1e-12, atol=1e-14)
