"""Causal attention against a naive loop, and rotations that know distances alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from shortlist.nn.attention import CausalBlock, rotated, rotations

U, L, D = 2, 5, 6


def naive(block: CausalBlock, x_LD: Tensor) -> Tensor:
    """One history, one place and one head after another."""
    width = D // block.heads
    query_LD, key_LD, value_LD = block.query_key_value(block.before_attention(x_LD)).chunk(3, 1)
    mixed = []
    for place in range(L):
        heads = []
        for head in range(block.heads):
            of = slice(head * width, (head + 1) * width)
            scores = torch.stack([query_LD[place, of] @ key_LD[seen, of] for seen in range(place + 1)])
            share = (scores / math.sqrt(width)).softmax(0)
            heads.append((share[:, None] * value_LD[: place + 1, of]).sum(0))
        mixed.append(torch.cat(heads))
    y_LD = x_LD + block.attended(torch.stack(mixed))
    first, _, _, last, _ = block.layers
    inner_LH = functional.relu(first(block.before_layers(y_LD)))
    result: Tensor = y_LD + last(inner_LH)
    return result


@pytest.mark.parametrize("heads", [1, 3])
def test_a_block_is_attention_to_what_came_before_and_a_layer(heads: int) -> None:
    torch.manual_seed(0)
    block = CausalBlock(D, heads, 7, dropout=0.5).eval()
    x_ULD = torch.randn(U, L, D)

    torch.testing.assert_close(block(x_ULD), torch.stack([naive(block, x_LD) for x_LD in x_ULD]))


def test_dropout_leaves_the_way_around_a_block_alone() -> None:
    torch.manual_seed(0)
    block = CausalBlock(D, 1, 7, dropout=0.9999)
    x_ULD = torch.randn(U, L, D)

    torch.testing.assert_close(block(x_ULD), x_ULD)


def test_products_of_turned_vectors_depend_on_their_distance_alone() -> None:
    torch.manual_seed(0)
    query_A, key_A = torch.randn(D), torch.randn(D)
    angle_LA = rotations(9, D, torch.device("cpu"))
    query_LA = rotated(query_A.expand(1, 1, 9, D), angle_LA)[0, 0]
    key_LA = rotated(key_A.expand(1, 1, 9, D), angle_LA)[0, 0]
    product_LL = query_LA @ key_LA.T

    for distance in range(1, 9):
        along = product_LL.diagonal(-distance)
        torch.testing.assert_close(along, along[:1].expand_as(along))
    assert product_LL[:, 0].std() > 0.1
    torch.testing.assert_close(query_LA[0], query_A)


def test_the_first_pair_turns_by_one_radian_a_place() -> None:
    turned = rotated(torch.tensor([1.0, 0, 0, 0]).expand(1, 1, 3, 4), rotations(3, 4, torch.device("cpu")))[0, 0]
    expected = torch.tensor([[math.cos(place), 0, math.sin(place), 0] for place in range(3)])

    torch.testing.assert_close(turned, expected)
