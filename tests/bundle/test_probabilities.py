"""Probabilities of rows from logits of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.data.loader import Gather
from tests.evaluation import toy


def test_extreme_logits_are_probabilities_without_a_warning(tmp_path: Path) -> None:
    data = toy.prepared(tmp_path, [toy.Event(1, item, item) for item in (1, 2, 3)], users=1, items=3)
    logit_UI = np.tile(np.array([0, -200, 0, 200], np.float32), (2, 1))
    rec = toy.recommender(tmp_path / "bundle", data, toy.recipe(ranking={}), logit_UI=logit_UI)
    (shard,) = data.shards
    rows = Gather(data, 0).row(shard, np.arange(3), shard.item)

    assert rec.score_rows(rows).tolist() == [0, 0.5, 1]
