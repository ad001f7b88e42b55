"""Wide & Deep: the sum of two models, each in the parameter group that its optimiser is for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from shortlist.core.errors import UserError
from shortlist.models.catalogue import ranking_model
from shortlist.models.ranking.wide_deep import WideDeep
from shortlist.nn.batch import Batch
from shortlist.nn.groups import grouped
from shortlist.recipe.training import Model
from shortlist.testing.inputs import random_rows, ranking_inputs

INPUTS = ranking_inputs()
CROSSES = [["user.gender", "item.genres"], ["history", "item.id"]]


def build(**settings: Any) -> WideDeep:
    torch.manual_seed(0)
    model = ranking_model(Model.model_validate({"name": "wide_deep", **settings}), INPUTS)
    assert isinstance(model, WideDeep)
    model.eval()
    return model


def test_logits_are_the_sum_of_both_parts() -> None:
    model = build(hidden=[8], crosses=CROSSES, cross_buckets=50)
    with torch.no_grad():
        for parameter in model.wide.parameters():
            torch.nn.init.normal_(parameter)
    batch = Batch.of(random_rows(INPUTS, 6))

    torch.testing.assert_close(model(batch), model.wide(batch) + model.head(model.deep(model.features(batch))))


def test_the_wide_part_says_nothing_before_it_has_learned() -> None:
    assert torch.equal(build(hidden=[8]).wide(Batch.of(random_rows(INPUTS, 6))), torch.zeros(6, 2))


def test_each_part_is_of_its_group() -> None:
    model = build(hidden=[8], crosses=CROSSES, cross_buckets=50)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {names[id(parameter)]: group for group, parameter in grouped(model)}

    assert {name for name, group in groups.items() if group == "wide"} == {n for n in groups if n.startswith("wide.")}
    assert [name for name, group in groups.items() if group == "embedding"] == [
        "features.embeddings.tables.16.table.weight"
    ]


def test_each_cross_has_rows_of_its_own() -> None:
    model = build(hidden=[8], crosses=CROSSES, cross_buckets=50)

    assert model.wide.cross_table is not None
    assert model.wide.cross_table.table.weight.shape == (100, 2)


def test_a_cross_of_an_unknown_column_is_refused() -> None:
    with pytest.raises(UserError, match=r"no such column\. Did you mean `item\.genres`\?"):
        build(crosses=[["user.gender", "item.genre"]])
