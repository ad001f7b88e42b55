"""What holds for every optimiser of rows: sparse as dense, duplicates, threads, resuming, settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from shortlist.training.adagrad import Adagrad
from shortlist.training.ftrl import FTRL
from shortlist.training.row_optimiser import RowOptimiser
from shortlist.training.rowwise_adagrad import RowWiseAdagrad
from shortlist.training.sparse_adam import SparseAdam

Build = Callable[[list[Tensor]], RowOptimiser]
LEAVE_ROWS: list[Build] = [
    partial(RowWiseAdagrad, lr=0.3),
    partial(Adagrad, lr=0.3),
    partial(FTRL, lr=0.3, l1=0.2, l2=0.1),
]
"""Those for which a row without gradient is the same as one with a gradient of 0."""
ALL: list[Build] = [*LEAVE_ROWS, partial(SparseAdam, lr=0.3)]
DIMS = (1, 3, 16, 17)


def name(build: Build) -> str:
    assert isinstance(build, partial)
    return str(build.func.__name__)


every_optimiser = pytest.mark.parametrize("build", ALL, ids=name)


def gradients(steps: int, rows: Tensor, size: int, dim: int) -> list[Tensor]:
    """Sparse gradients of random look-ups among `rows`, with duplicates."""
    random = torch.Generator().manual_seed(steps)
    lookups = 2 * len(rows)
    return [
        torch.sparse_coo_tensor(
            rows[torch.randint(0, len(rows), (1, lookups), generator=random)],
            # Their sums are exact in any order.
            torch.randint(-128, 129, (lookups, dim), generator=random) / 64,
            (size, dim),
            check_invariants=True,
        )
        for _ in range(steps)
    ]


def sparse(rows: list[int], values: Tensor, size: int) -> Tensor:
    index = torch.tensor([rows], dtype=torch.int64)
    return torch.sparse_coo_tensor(index, values, (size, values.shape[1]), check_invariants=True)


def step(optimiser: RowOptimiser, weight: Tensor, gradient: Tensor) -> None:
    weight.grad = gradient
    optimiser.step()


def start(size: int, dim: int) -> Tensor:
    return torch.randn(size, dim, generator=torch.Generator().manual_seed(9)).requires_grad_()


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("build", LEAVE_ROWS, ids=name)
def test_sparse_equals_dense_bit_for_bit_and_other_rows_stay(build: Build, dim: int) -> None:
    size = 300
    few, every = start(size, dim), start(size, dim)
    by_sparse, by_dense = build([few]), build([every])
    # Not a multiple of a vector register's width: a row falls into its body once, and into its tail once.
    for count in (1, 2, 7, 16, 33, 201):
        rows = torch.randperm(size - 50, generator=torch.Generator().manual_seed(count))[:count]
        for gradient in gradients(4, rows, size, dim):
            step(by_sparse, few, gradient)
            step(by_dense, every, gradient.coalesce().to_dense())

    assert torch.equal(few, every)
    for key, value in by_sparse.state[few].items():
        assert torch.equal(value, by_dense.state[every][key])
    assert torch.equal(few[-50:], start(size, dim)[-50:])
    assert (few[:-50] != start(size, dim)[:-50]).any(1).sum() > 200


@every_optimiser
def test_duplicate_rows_are_one_step_with_the_sum_of_their_gradients(build: Build) -> None:
    twice, once = (torch.zeros(4, 1, requires_grad=True) for _ in range(2))
    values = torch.tensor([[1.0], [5.0], [2.0]])
    step(build([twice]), twice, sparse([2, 0, 2], values, 4))
    step(build([once]), once, torch.tensor([[5.0], [0.0], [3.0], [0.0]]))

    assert torch.equal(twice, once)
    assert twice[[0, 2]].ne(0).all()


@every_optimiser
def test_look_ups_in_several_places_are_one_step(build: Build) -> None:
    apart, together = (nn.Embedding.from_pretrained(start(9, 2).detach(), freeze=False, sparse=True) for _ in range(2))
    ids = torch.tensor([1, 4, 4, 7])
    factor = torch.tensor([2.0, 8.0, 1.0, 4.0])
    (apart(ids[:2]).sum(1) @ factor[:2] + apart(ids[2:]).sum(1) @ factor[2:]).backward()
    (together(ids).sum(1) @ factor).backward()
    build([apart.weight]).step()
    build([together.weight]).step()

    assert torch.equal(apart.weight, together.weight)


@every_optimiser
@pytest.mark.parametrize("dim", [1, 16])
def test_any_number_of_threads_gives_the_same_bits(build: Build, dim: int, threads: None) -> None:
    size = 40_000
    trained = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        weight = start(size, dim)
        optimiser = build([weight])
        for gradient in gradients(2, torch.arange(size - 1), size, dim):
            step(optimiser, weight, gradient)
        step(optimiser, weight, gradient.to_dense())
        trained.append([weight, *optimiser.state[weight].values()])

    for one, two, three in zip(*trained, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


@every_optimiser
def test_resuming_from_a_state_dict_gives_the_same_bits(build: Build) -> None:
    steps = gradients(10, torch.arange(12), 12, 3)
    straight = start(12, 3)
    optimiser = build([straight])
    for gradient in steps[:5]:
        step(optimiser, straight, gradient)
    state = through_bytes(optimiser.state_dict())
    resumed = straight.detach().clone().requires_grad_()
    for gradient in steps[5:]:
        step(optimiser, straight, gradient)

    again = build([resumed])
    again.load_state_dict(state)
    for gradient in steps[5:]:
        step(again, resumed, gradient)

    assert torch.equal(straight, resumed)
    for key, value in optimiser.state[straight].items():
        assert torch.equal(value, again.state[resumed][key])


def through_bytes(state: dict[str, Any]) -> dict[str, Any]:
    """One parameter's state dict, written and read back without a pickle."""
    tensors, groups = safetensors.torch.save(state["state"][0]), json.dumps(state["param_groups"])
    return {"state": {0: safetensors.torch.load(tensors)}, "param_groups": json.loads(groups)}


@every_optimiser
def test_a_gradient_without_rows_changes_nothing(build: Build) -> None:
    weight = torch.ones(4, 2, requires_grad=True)
    step(build([weight]), weight, sparse([], torch.zeros(0, 2), 4))

    assert torch.equal(weight, torch.ones(4, 2))


@every_optimiser
def test_vectors_and_parameters_without_rows_are_updated_too(build: Build) -> None:
    """The wide part has a bias, and a weight for each of what may be no numbers at all."""
    bias, empty = torch.zeros(3, requires_grad=True), torch.zeros(0, 3, requires_grad=True)
    optimiser = build([bias, empty])
    empty.grad = torch.zeros(0, 3)
    step(optimiser, bias, torch.tensor([1.0, -2.0, 0.0]))

    assert bias[0] < 0 < bias[1]
    assert bias[2] == 0


@every_optimiser
def test_the_gradient_is_left_as_it_is(build: Build) -> None:
    weight, gradient = start(5, 2), torch.full((5, 2), 3.0)
    step(build([weight]), weight, gradient)
    assert gradient.eq(3).all()

    rows_alone = sparse([0, 3], gradient[:2], 5).coalesce()
    step(build([weight]), weight, rows_alone)
    assert rows_alone.values().eq(3).all()


@pytest.mark.parametrize("kind", [RowWiseAdagrad, Adagrad, SparseAdam])
@pytest.mark.parametrize(
    ("settings", "says"),
    [({"lr": 0.0}, "lr must be above 0, found 0.0"), ({"lr": 0.1, "eps": 0.0}, "eps must be above 0, found 0.0")],
)
def test_refuses_settings_out_of_range(kind: type[Any], settings: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}: {says}"):
        kind([start(2, 2)], **settings)
    with pytest.raises(ValueError, match=says):
        kind([{"params": [start(2, 2)], **settings}], lr=0.1)


def test_refuses_a_negative_start_and_betas_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"Adagrad: initial must be at least 0, found -0\.1"):
        Adagrad([start(2, 2)], lr=0.1, initial=-0.1)
    with pytest.raises(ValueError, match=r"SparseAdam: betas must be at least 0 and below 1, found \(0\.9, 1\.0\)"):
        SparseAdam([start(2, 2)], betas=(0.9, 1.0))


@pytest.mark.gpu
@every_optimiser
def test_a_gpu_gives_what_the_cpu_gives(build: Build) -> None:
    here, there = start(50, 3), start(50, 3).detach().cuda().requires_grad_()
    on_cpu, on_gpu = build([here]), build([there])
    for gradient in gradients(5, torch.arange(40), 50, 3):
        step(on_cpu, here, gradient)
        step(on_gpu, there, gradient.cuda())
    step(on_cpu, here, gradient.to_dense())
    step(on_gpu, there, gradient.to_dense().cuda())

    torch.testing.assert_close(there.cpu(), here)
