"""Each interaction against its paper's equation, written as loops; and its gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shortlist.nn.interactions import (
    BilinearProduct,
    CrossLayer,
    FactorisationMachine,
    LowRankCrossLayer,
    pairwise_dots,
)

B, C, D, N, W = 3, 4, 2, 2, 4


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def random_parameters(module: nn.Module) -> nn.Module:
    torch.manual_seed(3)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_machine_is_the_sum_over_all_pairs(outputs: int) -> None:
    machine = random_parameters(FactorisationMachine(D, outputs, N, std=1.0))
    assert isinstance(machine, FactorisationMachine)
    rows_BCW, numbers_BN = drawn(B, C, D + outputs), drawn(B, N)
    outputs_BO = machine(rows_BCW, numbers_BN)
    factor_DO = torch.ones(D, 1, dtype=torch.float64) if machine.factor_DO is None else machine.factor_DO

    for b in range(B):
        vectors = [*rows_BCW[b, :, :D], *(x * v for x, v in zip(numbers_BN[b], machine.vector_ND, strict=True))]
        for o in range(outputs):
            pairs = sum((one * other) @ factor_DO[:, o] for one, other in combinations(vectors, 2))
            linear = rows_BCW[b, :, D + o].sum() + numbers_BN[b] @ machine.weight_NO[:, o] + machine.bias_O[o]
            torch.testing.assert_close(outputs_BO[b, o], linear + pairs)


def test_dots_are_those_of_every_pair_in_order() -> None:
    vectors_BCD = drawn(B, C, D)
    dots_BP = pairwise_dots(vectors_BCD)

    assert dots_BP.shape == (B, C * (C - 1) // 2)
    for b in range(B):
        found = [vectors_BCD[b, i] @ vectors_BCD[b, j] for i in range(C) for j in range(i)]
        torch.testing.assert_close(dots_BP[b], torch.stack(found))


def test_one_vector_has_no_pair() -> None:
    assert pairwise_dots(drawn(B, 1, D)).shape == (B, 0)


def test_a_cross_layer_is_its_equation() -> None:
    layer = random_parameters(CrossLayer(W))
    assert isinstance(layer, CrossLayer)
    x0_BW, x_BW = drawn(B, W), drawn(B, W) + 1
    following_BW = layer(x0_BW, x_BW)

    for b in range(B):
        for w in range(W):
            product = sum(layer.product.weight[w, v] * x_BW[b, v] for v in range(W)) + layer.product.bias[w]
            torch.testing.assert_close(following_BW[b, w], x0_BW[b, w] * product + x_BW[b, w])


def test_a_layer_of_low_rank_mixes_its_experts() -> None:
    layer = random_parameters(LowRankCrossLayer(W, rank=2, experts=3))
    assert isinstance(layer, LowRankCrossLayer)
    x0_BW, x_BW = drawn(B, W), drawn(B, W) + 1
    following_BW = layer(x0_BW, x_BW)

    for b in range(B):
        gate_E = torch.softmax(layer.gate.weight @ x_BW[b], dim=0)
        expected_W = x_BW[b].clone()
        for e in range(3):
            inner_R = torch.tanh(torch.tanh(x_BW[b] @ layer.down_EWR[e]) @ layer.inner_ERR[e])
            expected_W = expected_W + gate_E[e] * x0_BW[b] * (inner_R @ layer.up_ERW[e] + layer.bias_W)
        torch.testing.assert_close(following_BW[b], expected_W)


@pytest.mark.parametrize("heads", [1, 2])
def test_the_product_sums_to_the_bilinear_form_of_each_head(heads: int) -> None:
    product = random_parameters(BilinearProduct(W, 2 * W, heads))
    assert isinstance(product, BilinearProduct)
    x_BX, y_BY = drawn(B, W), drawn(B, 2 * W)
    found_BY = product(x_BX, y_BY)

    for b in range(B):
        for h in range(heads):
            x_X, y_Y = x_BX[b].chunk(heads)[h], y_BY[b].chunk(heads)[h]
            torch.testing.assert_close(found_BY[b].chunk(heads)[h].sum(), x_X @ product.matrix_HXY[h] @ y_Y)


INTERACTIONS: dict[str, tuple[Callable[[], Callable[..., Tensor]], tuple[tuple[int, ...], ...]]] = {
    "machine": (lambda: random_parameters(FactorisationMachine(D, 1, N, 1.0)), ((B, C, D + 1), (B, N))),
    "machine of several outputs": (
        lambda: random_parameters(FactorisationMachine(D, 3, N, 1.0)),
        ((B, C, D + 3), (B, N)),
    ),
    "dots": (lambda: pairwise_dots, ((B, C, D),)),
    "cross": (lambda: random_parameters(CrossLayer(W)), ((B, W), (B, W))),
    "low rank": (lambda: random_parameters(LowRankCrossLayer(W, 2, 2)), ((B, W), (B, W))),
    "bilinear": (lambda: random_parameters(BilinearProduct(W, W, 2)), ((B, W), (B, W))),
}


@pytest.mark.parametrize("name", INTERACTIONS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    build, shapes = INTERACTIONS[name]
    inputs = tuple(drawn(*shape).requires_grad_() for shape in shapes)

    assert torch.autograd.gradcheck(build(), inputs)
    assert np.isfinite(build()(*inputs).detach().numpy()).all()
