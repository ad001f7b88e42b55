"""Heads: what targets share, against loops, and the shapes they give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch.nn import functional

from shortlist.core.errors import UserError
from shortlist.nn.heads import Head, TaskSettings, build_head
from shortlist.nn.heads.esmm import ESMM
from shortlist.nn.heads.mmoe import MMoE
from shortlist.nn.heads.ple import PLE
from shortlist.schema import Target, TargetKind

CLICK, BUY = Target(name="click"), Target(name="buy")
DWELL = Target(name="dwell", kind=TargetKind.REGRESSION)
SHELF = Target(name="shelf", kind=TargetKind.MULTICLASS, classes=("a", "b", "c"))
KINDS = ("shared_bottom", "mmoe", "ple")
X_BW = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def build(targets: tuple[Target, ...], **settings: Any) -> Head:
    torch.manual_seed(0)
    read: TaskSettings = TypeAdapter(TaskSettings).validate_python(settings)
    return build_head(6, targets, read)


def move_experts_of_buy(head: PLE) -> None:
    """Change what the second target has to itself on the first level."""
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            if name.startswith("levels.0.experts.1."):
                parameter.add_(1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_target_has_its_outputs(kind: str) -> None:
    head = build((CLICK, SHELF, DWELL), kind=kind, tower=[4])

    assert head(X_BW).shape == (5, 1 + 3 + 1)
    assert build((), kind=kind)(X_BW).shape == (5, 1)


@pytest.mark.parametrize("kind", [*KINDS, "esmm"])
def test_what_stands_beside_is_added(kind: str) -> None:
    head = build((CLICK, BUY), kind=kind)
    alone_BO = head.raw(X_BW)

    torch.testing.assert_close(head(X_BW, torch.ones(5, 2)), head.joined(alone_BO + 1))


def test_a_short_form_is_the_kind() -> None:
    assert TypeAdapter(TaskSettings).validate_python("mmoe").kind == "mmoe"


def test_gates_mix_the_experts() -> None:
    head = build((CLICK, BUY), kind="mmoe", experts=3, hidden=[4])
    assert isinstance(head, MMoE)
    outputs_BO = head(X_BW)

    for b, x_W in enumerate(X_BW):
        for t, (gate, tower) in enumerate(zip(head.gates, head.towers, strict=True)):
            share_E = torch.softmax(gate(x_W[None])[0], dim=0)
            mix_X = torch.stack([share_E[e] * expert(x_W[None])[0] for e, expert in enumerate(head.experts)]).sum(0)
            torch.testing.assert_close(outputs_BO[b, t], tower(mix_X[None])[0, 0])


def test_a_target_does_not_see_the_experts_of_another() -> None:
    head = build((CLICK, BUY), kind="ple", own=1, shared=1, hidden=[4])
    assert isinstance(head, PLE)
    before_BO = head(X_BW)
    move_experts_of_buy(head)
    after_BO = head(X_BW)

    assert torch.equal(before_BO[:, 0], after_BO[:, 0])
    assert not torch.equal(before_BO[:, 1], after_BO[:, 1])


def test_between_levels_targets_share_the_common_representation() -> None:
    head = build((CLICK, BUY), kind="ple", levels=2, own=1, shared=1, hidden=[4])
    assert isinstance(head, PLE)
    before_BO = head(X_BW)
    move_experts_of_buy(head)

    assert not torch.equal(before_BO[:, 0], head(X_BW)[:, 0])


def test_esmm_multiplies_conditional_probabilities() -> None:
    head = build((CLICK, BUY), kind="esmm", tower=[])
    assert isinstance(head, ESMM)
    given_BO = head.raw(X_BW)
    p_BO = head(X_BW).sigmoid()

    torch.testing.assert_close(p_BO[:, 0], given_BO[:, 0].sigmoid())
    torch.testing.assert_close(p_BO[:, 1], given_BO[:, 0].sigmoid() * given_BO[:, 1].sigmoid())


@pytest.mark.parametrize("extreme", [-200.0, -30.0, 30.0, 200.0])
def test_esmm_stays_finite_where_probabilities_round_to_0_and_1(extreme: float) -> None:
    head = build((CLICK, BUY), kind="esmm")
    given_BO = torch.full((1, 2), extreme, requires_grad=True)
    joined_BO = head.joined(given_BO)
    functional.binary_cross_entropy_with_logits(joined_BO, torch.tensor([[1.0, 0.0]])).backward()

    assert torch.isfinite(joined_BO).all()
    assert given_BO.grad is not None
    assert torch.isfinite(given_BO.grad).all()


def test_esmm_refuses_what_is_no_probability() -> None:
    with pytest.raises(UserError, match="dwell is regression"):
        build((CLICK, DWELL), kind="esmm")
