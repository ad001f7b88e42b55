"""A ranker's file where one of the two sides has no columns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shortlist.export.ranker import export_ranker
from shortlist.funnel.rank_model import RankModel
from shortlist.models.catalogue import ranking_model
from shortlist.nn.batch import Batch
from shortlist.recipe.training import Model
from shortlist.schema import Side
from shortlist.testing.inputs import random_pairs, toy_schema


@pytest.mark.parametrize("sides", [(Side.USER, Side.CONTEXT), (Side.ITEM,)])
def test_a_log_without_items_or_of_items_alone(sides: tuple[Side, ...], tmp_path: Path) -> None:
    inputs = toy_schema(("liked",)).inputs(*sides)
    model = ranking_model(Model(name="logistic_regression"), inputs)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    export_ranker(model, random_pairs(inputs, (1, 2)), tmp_path)
    asked = random_pairs(inputs, (4, 1, 3), seed=1)
    with torch.inference_mode():
        expected = model(Batch.of(asked.rows())).numpy()

    assert RankModel(tmp_path)(asked) == pytest.approx(expected, abs=1e-5)
