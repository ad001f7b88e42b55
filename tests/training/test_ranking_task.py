"""Which targets a ranker takes, and what its validation makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shortlist.core.errors import DataError
from shortlist.data.prepared import Prepared
from shortlist.recipe.sections import Ranking
from shortlist.schema import Split
from shortlist.training.ranking import RankingTask
from shortlist.training.stages import build_ranking
from tests.evaluation import toy

MODEL = {"name": "wide_deep", "embedding_dim": 2, "hidden": []}
SETTINGS = Ranking.model_validate({"model": MODEL, "history": 0, "negatives": {"sampled": 0}})


def task(folder: Path, targets: list[float]) -> RankingTask:
    """Each target once in training and once in validation."""
    events = [
        toy.Event(user, 1 + i % 3, 10 * split + i, split, target)
        for user in (1, 2)
        for split in (Split.TRAIN, Split.VALID)
        for i, target in enumerate(targets)
    ]
    data = toy.prepared(folder, events, users=2, items=3)
    recipe = toy.recipe(ranking=SETTINGS.model_dump())
    return RankingTask(build_ranking(data, SETTINGS), data, recipe, SETTINGS, torch.device("cpu"))


@pytest.mark.parametrize("targets", [[0.0, 4.0], [-1.0, 1.0]])
def test_a_target_that_is_no_probability_is_a_clear_error(tmp_path: Path, targets: list[float]) -> None:
    with pytest.raises(DataError, match=r"schema\.targets\.liked is (4|-1) in some row.*from 0 to 1"):
        task(tmp_path, targets)


def test_a_share_counts_as_relevant_wherever_it_is_above_0(tmp_path: Path) -> None:
    shares = task(tmp_path, [0.0, 0.25, 1.0])

    with torch.inference_mode():
        _, label_N = shares.scores()
        assert 0 <= shares.validate()["auc"] <= 1
    assert sorted(np.unique(label_N).tolist()) == [0, 1]
    assert label_N.mean() == pytest.approx(2 / 3)


def without_columns(data: Prepared) -> Any:
    return replace(data, schema=replace(data.schema, columns=(), has_users=False, has_items=False))


def test_a_ranker_without_any_column_is_a_clear_error(tmp_path: Path) -> None:
    data = toy.prepared(tmp_path, [toy.Event(1, 1, 1)], users=1, items=1)

    with pytest.raises(DataError, match="nothing to learn from"):
        build_ranking(without_columns(data), SETTINGS)
