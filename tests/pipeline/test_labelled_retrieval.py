"""Retrieval that learns from what was shown and not liked, from the log to the bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.models.catalogue import check_models
from shortlist.pipeline.run import Run
from shortlist.recipe import parse_recipe

RECIPE = """\
[data]
interactions = "events.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "time"
targets.liked = "liked"
[split]
valid = 0
[features.context]
[funnel]
candidates = 20
exclude_seen = false
[retrieval]
epochs = 30
batch_size = 64
loss = "log_loss"
model = MODEL
[compute]
threads = 1
"""
USERS, ITEMS, SHOWN = 60, 20, 16


def write_log(folder: Path) -> Path:
    """Everybody is shown items at random; users of even numbers like items of even numbers, and the others the rest."""
    random = np.random.default_rng(0)
    user_P = np.repeat(np.arange(USERS), SHOWN)
    item_P = np.concatenate([random.permutation(ITEMS)[:SHOWN] for _ in range(USERS)])
    time_P = 1_600_000_000 + random.permutation(len(user_P)) * 60
    liked_P = (user_P % 2 == item_P % 2).astype(np.int8)
    pq.write_table(
        pa.table({"user": user_P, "item": item_P, "time": time_P, "liked": liked_P}), folder / "events.parquet"
    )
    return folder


@pytest.mark.parametrize("model", ['{name = "two_tower", dim = 8, embedding_dim = 8}', '"matrix_factorization"'])
def test_what_was_shown_and_not_liked_comes_last(tmp_path: Path, model: str) -> None:
    text = RECIPE.replace("MODEL", model)
    recipe = parse_recipe(text, "labelled.toml", (), write_log(tmp_path), check_models)
    Run(recipe, tmp_path / "run").walk()
    recommender = Recommender.load(tmp_path / "run" / "bundle")
    answers = recommender.recommend(list(range(USERS)), ITEMS // 2)
    alike = np.mean([[item.item_id % 2 == user % 2 for item in answer] for user, answer in enumerate(answers)])
    assert alike > 0.9
