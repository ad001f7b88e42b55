"""AdamW with the sparse gradient of a table against torch's with a dense one: the same bits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shortlist.training.adamw import AdamW

ROWS, DIM = 50, 3


def tables() -> tuple[nn.Embedding, nn.Embedding]:
    """Two equal tables, with sparse and with dense gradients."""
    torch.manual_seed(0)
    sparse = nn.Embedding(ROWS, DIM, sparse=True)
    dense = nn.Embedding(ROWS, DIM)
    dense.load_state_dict(sparse.state_dict())
    return sparse, dense


def step(table: nn.Embedding, optimiser: torch.optim.Optimizer, ids_N: torch.Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    table(ids_N).square().sum().backward()
    optimiser.step()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_sparse_gradients_give_the_bits_of_dense_ones(weight_decay: float) -> None:
    sparse, dense = tables()
    ours = AdamW(sparse.parameters(), 0.01, weight_decay)
    theirs = torch.optim.AdamW(dense.parameters(), lr=0.01, weight_decay=weight_decay, fused=True)
    for i in range(5):
        # Few of the rows, many of them twice; a row of one batch may be in no later one.
        ids_N = torch.randint(0, ROWS, (20,), generator=torch.Generator().manual_seed(i))
        step(sparse, ours, ids_N)
        step(dense, theirs, ids_N)
        assert torch.equal(sparse.weight, dense.weight)


def test_the_gradient_is_the_sparse_one_again_after_a_step() -> None:
    sparse, _ = tables()
    ours = AdamW(sparse.parameters(), 0.01, 0.0)
    step(sparse, ours, torch.tensor([1, 1, 2]))

    assert sparse.weight.grad is not None
    assert sparse.weight.grad.is_sparse


def test_it_goes_on_from_its_state_with_the_same_bits() -> None:
    first, second = tables()
    second.sparse = True
    batches = [torch.tensor([1, 2, 2]), torch.tensor([2, 7]), torch.tensor([1, 9])]
    whole, before = AdamW(first.parameters(), 0.01, 0.0), AdamW(second.parameters(), 0.01, 0.0)
    for ids_N in batches:
        step(first, whole, ids_N)
    for ids_N in batches[:2]:
        step(second, before, ids_N)
    after = AdamW(second.parameters(), 0.01, 0.0)
    after.load_state_dict(before.state_dict())
    step(second, after, batches[2])

    assert torch.equal(first.weight, second.weight)
