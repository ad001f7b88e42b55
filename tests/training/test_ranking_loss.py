"""How the losses of several targets make one: slices, weights, rows left out, lists."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from shortlist.losses.cross_entropy import cross_entropy
from shortlist.losses.focal import focal
from shortlist.losses.list_bpr import list_bpr
from shortlist.losses.list_softmax import list_softmax
from shortlist.losses.log_loss import log_loss
from shortlist.losses.squared_error import squared_error
from shortlist.nn.batch import Labels
from shortlist.recipe.ranking import Ranking
from shortlist.schema import Target, TargetKind
from shortlist.training.ranking_loss import RankingLoss

TARGETS = (
    Target(name="click"),
    Target(name="shelf", kind=TargetKind.MULTICLASS, classes=("a", "b", "c")),
    Target(name="stars", kind=TargetKind.REGRESSION, mean=1.5, deviation=2.0),
)
OUTPUTS_BO = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
LABELS = Labels(
    torch.tensor([[1, 2, 0.5], [0, math.nan, 1], [0, 1, math.nan], [1, 0, 2], [math.nan, 0, 3], [0, 2, 0.0]]),
    torch.tensor([1.0, 2.0, 1.0, 0.5, 1.0, 1.0]),
    torch.tensor([0, 1, 0, 3, 4, 3], dtype=torch.int32),
)


def settings(**given: Any) -> Ranking:
    return Ranking.model_validate({"negatives": {"sampled": 0}, **given})


def alone() -> list[torch.Tensor]:
    """Each target's loss by hand."""
    targets_BT, weight_B = LABELS.targets_BT, LABELS.weight_B
    return [
        log_loss(OUTPUTS_BO[:, 0], targets_BT[:, 0], weight_B),
        cross_entropy(OUTPUTS_BO[:, 1:4], targets_BT[:, 1], weight_B),
        squared_error(OUTPUTS_BO[:, 4], (targets_BT[:, 2] - 1.5) / 2, weight_B),
    ]


def test_each_target_has_its_columns_and_its_loss() -> None:
    loss = RankingLoss(TARGETS, settings())

    assert [own.item() for own in loss.of_targets(OUTPUTS_BO, LABELS)] == [own.item() for own in alone()]
    assert loss(OUTPUTS_BO, LABELS).item() == pytest.approx(torch.stack(alone()).sum().item())


def test_a_model_of_some_targets_reads_theirs() -> None:
    """The labels tell all targets of the data, whatever the model predicts of them."""
    found = RankingLoss(TARGETS[2:], settings(), told=TARGETS).of_targets(OUTPUTS_BO[:, 4:], LABELS)

    assert [loss.item() for loss in found] == [alone()[2].item()]


def test_weights_by_name() -> None:
    loss = RankingLoss(TARGETS, settings(loss_weights={"shelf": 0, "stars": 0.25}))(OUTPUTS_BO, LABELS)

    assert loss.item() == pytest.approx((alone()[0] + alone()[2] / 4).item())


def test_uncertainty_is_the_least_that_kendalls_loss_can_be() -> None:
    """For each log-variance on a fine grid the published sum; the best of them, up to a constant, is half of ours."""
    loss = RankingLoss(TARGETS, settings(loss_weights="uncertainty"))(OUTPUTS_BO, LABELS)

    log_v = torch.linspace(-6, 6, 100_001, dtype=torch.float64)
    best = 0.0
    for target, own in zip(TARGETS, alone(), strict=True):
        by_kind = 0.5 if target.kind == TargetKind.REGRESSION else 1.0
        best += float((by_kind * own.double() * (-log_v).exp() + log_v / 2).min())
    constant = sum(0.5 if t.kind == TargetKind.REGRESSION else 0.5 + 0.5 * math.log(2) for t in TARGETS)
    assert loss.item() / 2 == pytest.approx(best - constant, abs=1e-5)


def test_uncertainty_passes_over_what_a_batch_does_not_tell() -> None:
    outputs_BO = OUTPUTS_BO.clone().requires_grad_()
    targets_BT = LABELS.targets_BT.clone()
    targets_BT[:, 1] = math.nan
    loss = RankingLoss(TARGETS, settings(loss_weights="uncertainty"))(outputs_BO, Labels(targets_BT, LABELS.weight_B))
    loss.backward()

    assert loss.item() == pytest.approx((alone()[0].log() + alone()[2].log()).item(), rel=1e-5)
    assert outputs_BO.grad is not None
    assert torch.isfinite(outputs_BO.grad).all()
    assert not outputs_BO.grad[:, 1:4].any()


def test_uncertainty_does_not_hide_a_loss_that_is_no_number() -> None:
    outputs_BO = OUTPUTS_BO.clone()
    outputs_BO[0, 0] = math.nan

    assert RankingLoss(TARGETS, settings(loss_weights="uncertainty"))(outputs_BO, LABELS).isnan()


def test_binary_targets_take_the_recipes_loss() -> None:
    row = OUTPUTS_BO[:, 0], LABELS.targets_BT[:, 0], LABELS.weight_B
    assert LABELS.list_B is not None
    expected = {
        "focal": focal(*row, gamma=3.0),
        "bpr": list_bpr(*row, LABELS.list_B),
        "softmax": list_softmax(*row, LABELS.list_B),
    }
    for name, loss in expected.items():
        chosen = Ranking.model_validate({"loss": name, "focal_gamma": 3.0})
        assert RankingLoss(TARGETS[:1], chosen, TARGETS)(OUTPUTS_BO[:, :1], LABELS).item() == loss.item()


def test_rows_left_out_are_made_good() -> None:
    """The first target by its odds, for other targets a kept row counts for those left out."""
    found = RankingLoss(TARGETS, settings(negatives={"sampled": 0, "keep": 0.25})).of_targets(OUTPUTS_BO, LABELS)

    weight_B = torch.tensor([1.0, 8.0, 4.0, 0.5, 1.0, 4.0])
    assert found[0].item() == pytest.approx(
        log_loss(OUTPUTS_BO[:, 0] + math.log(4), LABELS.targets_BT[:, 0], LABELS.weight_B).item()
    )
    assert found[2].item() == pytest.approx(
        squared_error(OUTPUTS_BO[:, 4], (LABELS.targets_BT[:, 2] - 1.5) / 2, weight_B).item(), rel=1e-6
    )


def test_a_log_without_targets_has_one_output() -> None:
    loss = RankingLoss((), settings())(OUTPUTS_BO[:, :1], Labels(torch.ones(6, 1), torch.ones(6)))

    assert loss.item() == pytest.approx(-torch.nn.functional.logsigmoid(OUTPUTS_BO[:, 0]).mean().item())
