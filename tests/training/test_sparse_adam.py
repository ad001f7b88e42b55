"""SparseAdam: by hand, against torch's, and against dense Adam where every batch has every row."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from shortlist.training.sparse_adam import SparseAdam


def sparse(rows: Tensor, values: Tensor, size: int) -> Tensor:
    return torch.sparse_coo_tensor(rows[None], values, (size, values.shape[1]), check_invariants=True)


def drawn(steps: int, size: int, every_row: bool) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(1)
    for _ in range(steps):
        rows = torch.randint(0, size, (size,), generator=random)
        rows = torch.cat([rows, torch.arange(size)]) if every_row else rows
        yield sparse(rows, torch.randn(len(rows), 4, generator=random, dtype=torch.float64), size)


def test_three_steps_by_hand() -> None:
    # lr 1, betas .5 and .75, eps 1; two rows of one weight, both 0.
    # Step 1, row 0, g = 4: m = 2; v = .25 · 16 = 4; rate = sqrt(1 - .75) / (1 - .5) = 1; w0 = -1 · 2 / (2 + 1) = -2/3.
    # Step 2, row 1 alone, g = 2: m = 1, v = 1; rate = sqrt(1 - .5625) / (1 - .25); w1 = -rate · 1 / (1 + 1).
    # Step 3, row 0, g = 0 is a gradient too: m = 1, v = 3; rate = sqrt(1 - .75³) / (1 - .5³);
    #         w0 = -2/3 - rate · 1 / (sqrt(3) + 1). Row 0's moments did not decay in step 2.
    weight = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)
    optimiser = SparseAdam([weight], lr=1.0, betas=(0.5, 0.75), eps=1.0)
    for row, gradient in ((0, 4.0), (1, 2.0), (0, 0.0)):
        weight.grad = sparse(torch.tensor([row]), torch.tensor([[gradient]], dtype=torch.float64), 2)
        optimiser.step()
    second = math.sqrt(1 - 0.75**2) / (1 - 0.5**2)
    third = math.sqrt(1 - 0.75**3) / (1 - 0.5**3)
    assert weight[:, 0].tolist() == pytest.approx([-2 / 3 - third / (math.sqrt(3) + 1), -second / 2], rel=1e-14)
    assert optimiser.state[weight]["m"][:, 0].tolist() == [1.0, 1.0]
    assert optimiser.state[weight]["v"][:, 0].tolist() == [3.0, 1.0]


def test_equals_torchs() -> None:
    ours, theirs = (torch.ones(30, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimiser, reference = SparseAdam([ours], lr=0.01), torch.optim.SparseAdam([theirs], lr=0.01)
    for gradient in drawn(30, 30, every_row=False):
        ours.grad, theirs.grad = gradient, gradient.clone()
        optimiser.step()
        reference.step()

    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_equals_adam_where_every_batch_has_every_row() -> None:
    sparsely, densely, adam = (torch.ones(30, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    by_sparse, by_dense = SparseAdam([sparsely], lr=0.01, eps=1e-12), SparseAdam([densely], lr=0.01, eps=1e-12)
    # Adam adds eps after the correction of v, torch's SparseAdam before it: they are equal where eps is.
    reference = torch.optim.Adam([adam], lr=0.01, eps=1e-12)
    for gradient in drawn(30, 30, every_row=True):
        sparsely.grad, densely.grad = gradient, gradient.coalesce().to_dense()
        adam.grad = densely.grad
        by_sparse.step()
        by_dense.step()
        reference.step()

    torch.testing.assert_close(sparsely, adam, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(sparsely, densely, rtol=1e-12, atol=1e-14)


def test_rows_of_no_batch_stay() -> None:
    weight = torch.ones(5, 2, requires_grad=True)
    optimiser = SparseAdam([weight], lr=0.1)
    for _ in range(3):
        weight.grad = sparse(torch.tensor([1, 4, 1]), torch.ones(3, 2), 5)
        optimiser.step()
    assert weight[[0, 2, 3]].eq(1).all()
    assert weight[[1, 4]].lt(0.8).all()
