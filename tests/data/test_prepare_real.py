"""Real data sets, prepared and counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.recipe import parse_recipe

MOVIELENS = """
name = "movielens"
[data]
interactions = "ratings.parquet"
users = "users.parquet"
items = "{items}.parquet"
[schema]
user_id = "user_id"
item_id = "{item_id}"
timestamp = "timestamp"
title = "{title}"
targets.liked = "rating >= 4"
[features.context]
time = {{kind = "timestamp", column = "timestamp"}}
[split]
kind = "{split}"
[compute]
threads = 2
"""


def _prepare(folder: Path, recipe: str, target: Path) -> Prepared:
    prepare(parse_recipe(recipe, data_dir=folder), target)
    return Prepared.open(target)


def test_movielens_100k_by_leave_one_out(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = MOVIELENS.format(items="items", item_id="item_id", title="movie_title", split="leave_one_out")
    prepared = _prepare(real_data("ml-100k"), recipe, tmp_path / "prepared")
    assert prepared.manifest["rows"] == {"train": 100_000 - 2 * 943, "valid": 943, "test": 943}
    assert (prepared.manifest["users"], prepared.manifest["items"]) == (943, 1_682)
    (shard,) = prepared.shards
    assert int(shard.targets_nT.sum()) == 55_375
    later = np.flatnonzero(np.diff(shard.time) < 0)
    assert np.array_equal(shard.user[later] + 1, shard.user[later + 1]), "time goes back only where a user ends"
    last_of_user = np.append(np.flatnonzero(np.diff(shard.user)), len(shard) - 1)
    assert (shard.split[last_of_user] == 2).all()
    assert (shard.split[last_of_user - 1] == 1).all()
    genres = prepared.schema.column("item.genres")
    assert genres.size == 1 + 19
    assert prepared.schema.column("user.occupation").size == 1 + 21


@pytest.mark.slow
def test_movielens_1m_by_time(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = MOVIELENS.format(items="movies", item_id="movie_id", title="title", split="time")
    prepared = _prepare(real_data("ml-1m"), recipe, tmp_path / "prepared")
    assert prepared.manifest["rows"] == {"train": 800_167, "valid": 100_019, "test": 100_023}
    assert prepared.manifest["split"]["valid_from"] >= 975_768_738, "exact times only"
    assert (prepared.manifest["users"], prepared.manifest["items"]) == (6_040, 3_883)
    titles = prepared.item_titles.to_pylist()
    assert titles[:3] == [None, "American Beauty (1999)", "Star Wars: Episode IV - A New Hope (1977)"]
    users = np.concatenate([shard.user for shard in prepared.shards])
    assert np.bincount(users).max() == 2_314
    assert prepared.schema.column("item.genres").size == 1 + 18
    (names,) = [[c.name for c in prepared.schema.columns if c.name.startswith("context.")]]
    assert names == ["context.time.hour", "context.time.weekday", "context.time.month"]


def test_clicks_of_criteo(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = """
        [data]
        interactions = "criteo.parquet"
        [schema]
        targets.clicked = "label"
        [split]
        kind = "column"
    """
    prepared = _prepare(real_data("ctr-samples"), recipe, tmp_path / "prepared")
    rows = prepared.manifest["rows"]
    assert sum(rows.values()) == 8_000
    assert min(rows.values()) > 0
    names = {column.name for column in prepared.schema.columns}
    assert {"context.I1", "context.C1"} <= names
    assert not names & {"context.label", "context.split"}
    (shard,) = prepared.shards
    assert np.isfinite(shard.context.numbers_nN).all()
    half = shard.targets_nT[:4_000].mean() / shard.targets_nT[4_000:].mean()
    assert 0.8 < half < 1.25, "clicks are spread over the shard"
