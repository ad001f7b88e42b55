"""What tells the architectures apart, on a row small enough to write down; and settings that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from shortlist.core.errors import RecipeError
from shortlist.models.base import RankingModel
from shortlist.models.catalogue import ranking_model
from shortlist.models.ranking.dcn_v2 import DCNv2
from shortlist.models.ranking.dlrm import DLRM
from shortlist.models.ranking.final_mlp import FinalMLP
from shortlist.models.ranking.neumf import NeuMF
from shortlist.nn.batch import Batch
from shortlist.recipe.training import Model
from shortlist.schema import Inputs, Side
from shortlist.testing.inputs import random_rows, ranking_inputs, toy_schema

INPUTS = ranking_inputs()


def build(name: str, inputs: Inputs = INPUTS, **settings: Any) -> RankingModel:
    torch.manual_seed(0)
    model = ranking_model(Model.model_validate({"name": name, **settings}), inputs)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def ids_alone() -> Inputs:
    """A user and an item, and nothing else."""
    full = toy_schema(("liked",))
    columns = tuple(column for column in full.columns if column.name in ("user.id", "item.id"))
    return replace(full, columns=columns).inputs(Side.USER, Side.ITEM)


def answer(model: RankingModel, batch: Batch) -> Tensor:
    with torch.inference_mode():
        outputs_BO: Tensor = model(batch)
    return outputs_BO


def test_neumf_of_ids_is_the_papers() -> None:
    inputs = ids_alone()
    model = build("neumf", inputs, embedding_dim=3, hidden=[4])
    assert isinstance(model, NeuMF)
    batch = Batch.of(random_rows(inputs, 5))
    with torch.inference_mode():
        user_BD, item_BD = model.multiplied.vectors(batch).unbind(1)
        both_BV = model.concatenated.vectors(batch).flatten(1)
        expected_BO = model.head(torch.cat([user_BD * item_BD, model.deep(both_BV)], dim=1))

    torch.testing.assert_close(answer(model, batch), expected_BO)
    assert not torch.equal(model.multiplied.vectors(batch), model.concatenated.vectors(batch))


def test_dlrm_multiplies_the_numbers_with_every_vector() -> None:
    model = build("dlrm", embedding_dim=4, bottom=[8, 4], hidden=[5])
    assert isinstance(model, DLRM)
    assert model.bottom is not None
    batch = Batch.of(random_rows(model.inputs, 5))
    with torch.inference_mode():
        vectors_BCD = model.features.vectors(batch)
        every = [model.bottom(batch.numbers_BN), *vectors_BCD.unbind(1)]
        dots = [(every[i] * every[j]).sum(1) for i in range(len(every)) for j in range(i)]
        expected_BO = model.head(model.top(torch.cat([every[0], torch.stack(dots, dim=1)], dim=1)))

    torch.testing.assert_close(answer(model, batch), expected_BO)


@pytest.mark.parametrize("rank", [None, 2])
def test_dcn_v2_reads_the_crosses_beside_the_features_or_instead(rank: int | None) -> None:
    for structure in ("parallel", "stacked"):
        model = build("dcn_v2", structure=structure, rank=rank, cross_layers=2, hidden=[5])
        assert isinstance(model, DCNv2)
        batch = Batch.of(random_rows(model.inputs, 5))
        with torch.inference_mode():
            x0_BW = model.features(batch)
            crossed_BW = model.crosses[1](x0_BW, model.crosses[0](x0_BW, x0_BW))
            if structure == "parallel":
                expected_BO = model.head(torch.cat([crossed_BW, model.deep(x0_BW)], dim=1))
            else:
                expected_BO = model.head(model.deep(crossed_BW))
        torch.testing.assert_close(answer(model, batch), expected_BO)


def test_gates_of_final_mlp_that_know_nothing_let_everything_through() -> None:
    model = build("final_mlp", hidden=[6], second=[4], heads=2, gates=[3])
    assert isinstance(model, FinalMLP)
    batch = Batch.of(random_rows(model.inputs, 5))
    gated_BO = answer(model, batch)
    with torch.no_grad():
        for parameter in model.gates.parameters():
            parameter.zero_()
    open_BO = answer(model, batch)
    with torch.inference_mode():
        x_BW = model.features(batch)
        first_BX, second_BY = model.first(x_BW), model.second(x_BW)
        joined = torch.cat([first_BX, second_BY, model.product(first_BX, second_BY)], dim=1)
        torch.testing.assert_close(open_BO, model.head(joined))

    assert not torch.allclose(gated_BO, open_BO)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("dlrm", {"embedding_dim": 8}, r"bottom ends in 16 where embedding_dim = 8: set bottom = \[64, 8\]"),
        ("dlrm", {"embedding_dims": {"item.id": 4}}, "embedding_dims: no such setting"),
        ("final_mlp", {"hidden": [10], "heads": 3}, "hidden ends in 10, which 3 heads do not divide"),
        ("mlp", {"hidden": [0]}, "greater than or equal to 1"),
        ("mlp", {"tasks": "mmmoe"}, "Did you mean `mmoe`"),
        ("mlp", {"tasks": {"kind": "mmoe", "hidden": []}}, "at least 1 item"),
        ("mlp", {"history": "lstm"}, "target_attention"),
    ],
)
def test_what_cannot_be_is_one_clear_error(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        build(name, **settings)
