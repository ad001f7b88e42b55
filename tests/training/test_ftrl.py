"""FTRL: by hand, against Algorithm 1 in plain Python, sparse against dense, and through a state dict."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from shortlist.training.ftrl import FTRL


def parameter(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def step(optimiser: FTRL, weight: Tensor, gradient: Tensor) -> None:
    weight.grad = gradient
    optimiser.step()


class Coordinate:
    """One coordinate of Algorithm 1 (McMahan et al. 2013), with the proximal term beta / alpha around w."""

    def __init__(self, w: float, alpha: float, beta: float, l1: float, l2: float) -> None:
        self.alpha, self.beta, self.l1, self.l2 = alpha, beta, l1, l2
        self.w, self.z, self.n = w, -beta / alpha * w, 0.0

    def update(self, g: float) -> None:
        if g == 0:  # the paper updates the coordinates in I alone, those with a feature
            return
        sigma = (math.sqrt(self.n + g * g) - math.sqrt(self.n)) / self.alpha
        self.z += g - sigma * self.w
        self.n += g * g
        sign = 1.0 if self.z > 0 else -1.0
        rate = (self.beta + math.sqrt(self.n)) / self.alpha + self.l2
        self.w = 0.0 if abs(self.z) <= self.l1 else -(self.z - sign * self.l1) / rate


def test_two_steps_by_hand() -> None:
    # alpha .5, beta 1, l1 .5, l2 .25; from w = 0, z = 0, n = 0.
    # g = 3: sigma = (3 - 0) / .5 = 6;  z = 0 + 3 - 6 * 0 = 3;  n = 9;
    #        w = -(3 - .5) / ((1 + 3) / .5 + .25) = -2.5 / 8.25 = -10/33.
    # g = 4: sigma = (5 - 3) / .5 = 4;  z = 3 + 4 + 4 * 10/33 = 271/33;  n = 25;
    #        w = -(271/33 - .5) / ((1 + 5) / .5 + .25) = -(509/66) / 12.25 = -1018/1617.
    weight = parameter(0.0)
    optimiser = FTRL([weight], lr=0.5, beta=1.0, l1=0.5, l2=0.25)
    step(optimiser, weight, torch.tensor([3.0], dtype=torch.float64))
    assert weight.item() == pytest.approx(-10 / 33, rel=1e-14)
    assert optimiser.state[weight]["z"].item() == 3.0
    assert optimiser.state[weight]["n"].item() == 9.0
    step(optimiser, weight, torch.tensor([4.0], dtype=torch.float64))
    assert weight.item() == pytest.approx(-1018 / 1617, rel=1e-14)
    assert optimiser.state[weight]["z"].item() == pytest.approx(271 / 33, rel=1e-14)
    assert optimiser.state[weight]["n"].item() == 25.0


@pytest.mark.parametrize("start", [0.0, 1.0])
@pytest.mark.parametrize("l1", [0.0, 2.0])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_equals_algorithm_1_over_random_gradients(start: float, l1: float, l2: float) -> None:
    random = torch.Generator().manual_seed(0)
    gradients = torch.randn(50, 8, generator=random, dtype=torch.float64)
    gradients[torch.rand(50, 8, generator=random) < 0.3] = 0.0
    weight = (start * torch.randn(8, generator=random, dtype=torch.float64)).requires_grad_()
    coordinates = [Coordinate(w, 0.2, 0.5, l1, l2) for w in weight.tolist()]
    optimiser = FTRL([weight], lr=0.2, beta=0.5, l1=l1, l2=l2)
    zeros = 0
    for gradient in gradients:
        step(optimiser, weight, gradient)
        for coordinate, g in zip(coordinates, gradient.tolist(), strict=True):
            coordinate.update(g)
        assert weight.tolist() == pytest.approx([c.w for c in coordinates], rel=1e-11, abs=1e-13)
        zeros += int(weight[gradient != 0].eq(0).sum())
    assert (zeros > 0) == (l1 > 0)


def test_an_initial_weight_is_where_the_first_step_starts() -> None:
    # alpha .5, beta 1; w = 2, g = 3.  Without l1 and l2: 2 - .5 * 3 / (1 + 3) = 1.625.
    # With l1 .5 and l2 .25: z = -(1 / .5) * 2 = -4;  sigma = 3 / .5 = 6;  z = -4 + 3 - 6 * 2 = -13;
    #     w = -(-13 + .5) / ((1 + 3) / .5 + .25) = 12.5 / 8.25 = 50/33.
    for l1, l2, expected in ((0.0, 0.0, 1.625), (0.5, 0.25, 50 / 33)):
        weight = parameter(2.0, -2.0)
        optimiser = FTRL([weight], lr=0.5, beta=1.0, l1=l1, l2=l2)
        step(optimiser, weight, torch.tensor([3.0, -3.0], dtype=torch.float64))
        assert weight.tolist() == pytest.approx([expected, -expected], rel=1e-14)


def test_a_gradient_of_0_leaves_a_weight_bit_for_bit() -> None:
    weight = torch.full((100,), 0.1, requires_grad=True)
    optimiser = FTRL([weight], lr=0.07, l1=0.3, l2=0.9)
    for _ in range(3):
        step(optimiser, weight, torch.zeros(100))
    assert torch.equal(weight, torch.full((100,), 0.1))


def test_l1_makes_weights_without_signal_exactly_zero() -> None:
    random = torch.Generator().manual_seed(2)
    features = torch.randn(400, 10, generator=random)
    label = (features[:, 0] - features[:, 1] > 0).float()

    def trained(l1: float) -> Tensor:
        weight = torch.full((10,), 0.05, requires_grad=True)
        optimiser = FTRL([weight], lr=0.5, l1=l1)
        for rows in (slice(start, start + 20) for start in range(0, 400, 20)):
            logits = features[rows] @ weight
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, label[rows])
            (weight.grad,) = torch.autograd.grad(loss, weight)
            optimiser.step()
        return weight.detach()

    with_l1 = trained(1.5)
    assert (with_l1[2:] == 0).all()
    assert with_l1[0] > 0.5
    assert with_l1[1] < -0.5
    assert (trained(0.0) != 0).all()


def sparse_gradient(rows: Tensor, size: int, random: torch.Generator) -> Tensor:
    values = torch.randn(len(rows), 3, generator=random).round(decimals=1)
    return torch.sparse_coo_tensor(rows[None], values, (size, 3), check_invariants=True)


def test_sparse_equals_dense_bit_for_bit_and_leaves_other_rows_alone() -> None:
    random = torch.Generator().manual_seed(3)
    start = torch.randn(20, 3, generator=random)
    sparse, dense = start.clone().requires_grad_(), start.clone().requires_grad_()
    by_sparse, by_dense = (FTRL([weight], lr=0.3, l1=0.2, l2=0.1) for weight in (sparse, dense))
    for _ in range(25):
        gradient = sparse_gradient(torch.randint(0, 15, (8,), generator=random), 20, random)
        step(by_sparse, sparse, gradient)
        step(by_dense, dense, gradient.coalesce().to_dense())
    assert torch.equal(sparse, dense)
    assert torch.equal(sparse[15:], start[15:])
    assert not (sparse[:15] == start[:15]).any()
    for name in ("z", "n"):
        assert torch.equal(by_sparse.state[sparse][name], by_dense.state[dense][name])
    assert (by_sparse.state[sparse]["n"][15:] == 0).all()


def test_duplicate_rows_are_one_step_with_the_sum_of_their_gradients() -> None:
    twice, once = (torch.zeros(4, 1, requires_grad=True) for _ in range(2))
    rows = torch.tensor([[2, 0, 2]])
    step(
        FTRL([twice], lr=0.1),
        twice,
        torch.sparse_coo_tensor(rows, torch.tensor([[1.0], [5.0], [2.0]]), (4, 1), check_invariants=True),
    )
    step(FTRL([once], lr=0.1), once, torch.tensor([[5.0], [0.0], [3.0], [0.0]]))
    assert torch.equal(twice, once)


def test_a_sparse_embedding_trains() -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(50, 1, sparse=True)
    before = table.weight.detach().clone()
    optimiser = FTRL(table.parameters(), lr=0.5)
    ids = torch.tensor([3, 7, 3])
    label = torch.tensor([1.0, 0.0, 1.0])
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(table(ids)[:, 0], label)
        torch.autograd.backward(loss)
        losses.append(loss.item())
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    untouched = [row for row in range(50) if row not in (3, 7)]
    assert torch.equal(table.weight[untouched], before[untouched])


def test_a_gradient_without_rows_changes_nothing() -> None:
    weight = torch.ones(4, 2, requires_grad=True)
    empty = torch.sparse_coo_tensor(
        torch.zeros(1, 0, dtype=torch.int64), torch.zeros(0, 2), (4, 2), check_invariants=True
    )
    step(FTRL([weight], lr=0.1), weight, empty)
    assert torch.equal(weight, torch.ones(4, 2))


def through_bytes(state: dict[str, Any]) -> dict[str, Any]:
    """One parameter's state dict, written and read back without a pickle."""
    tensors, groups = safetensors.torch.save(state["state"][0]), json.dumps(state["param_groups"])
    return {"state": {0: safetensors.torch.load(tensors)}, "param_groups": json.loads(groups)}


def test_resuming_from_a_state_dict_gives_the_same_bits() -> None:
    random = torch.Generator().manual_seed(4)
    start = torch.randn(12, 3, generator=random)
    gradients = [sparse_gradient(torch.randint(0, 12, (6,), generator=random), 12, random) for _ in range(10)]
    straight = start.clone().requires_grad_()
    optimiser = FTRL([straight], lr=0.3, l1=0.1, l2=0.1)
    for gradient in gradients[:5]:
        step(optimiser, straight, gradient)
    state = through_bytes(optimiser.state_dict())
    resumed = straight.detach().clone().requires_grad_()
    for gradient in gradients[5:]:
        step(optimiser, straight, gradient)

    again = FTRL([resumed], lr=99.0)  # every setting comes from the state dict
    again.load_state_dict(state)
    for gradient in gradients[5:]:
        step(again, resumed, gradient)
    assert torch.equal(straight, resumed)
    for name in ("z", "n"):
        assert torch.equal(optimiser.state[straight][name], again.state[resumed][name])


def test_groups_have_their_own_settings() -> None:
    free, held = parameter(0.0), parameter(0.0)
    groups: list[dict[str, Any]] = [{"params": [free]}, {"params": [held], "l1": 10.0}]
    optimiser = FTRL(groups, lr=0.5)
    free.grad = held.grad = torch.tensor([3.0], dtype=torch.float64)
    optimiser.step()
    assert free.item() == pytest.approx(-3 / 8)
    assert held.item() == 0.0


def test_a_closure_is_run_with_gradients_and_its_loss_returned() -> None:
    weight = parameter(2.0)
    optimiser = FTRL([weight], lr=0.5)

    def closure() -> float:
        loss = (weight**2).sum()
        torch.autograd.backward(loss)
        return loss.item()

    assert optimiser.step(closure) == 4.0
    assert weight.item() == pytest.approx(2 - 4 / 10)  # g = 4: 2 - 4 / ((1 + 4) / .5)


def test_parameters_without_gradient_are_left_alone() -> None:
    weight = parameter(1.0)
    optimiser = FTRL([weight], lr=0.5)
    optimiser.step()
    assert weight.item() == 1.0
    assert not optimiser.state


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"lr": 0.0}, "lr must be above 0, found 0.0"),
        ({"lr": math.nan}, "lr must be above 0, found nan"),
        ({"lr": 0.1, "beta": 0.0}, "beta must be above 0, found 0.0"),
        ({"lr": 0.1, "l1": -1.0}, "l1 must be at least 0, found -1.0"),
        ({"lr": 0.1, "l2": -0.5}, "l2 must be at least 0, found -0.5"),
    ],
)
def test_refuses_settings_out_of_range(settings: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        FTRL([parameter(0.0)], **settings)
    with pytest.raises(ValueError, match=says):
        FTRL([{"params": [parameter(0.0)], **settings}], lr=0.1)


def test_refuses_a_learning_rate_schedule() -> None:
    weight = parameter(0.0)
    optimiser = FTRL([weight], lr=0.5)
    step(optimiser, weight, torch.tensor([1.0], dtype=torch.float64))
    optimiser.param_groups[0]["lr"] = 0.25
    with pytest.raises(ValueError, match=r"lr was 0\.5 at the first step and is now 0\.25"):
        optimiser.step()
