"""Nothing that is fitted may know anything of rows that are held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.recipe import parse_recipe

ROWS, TRAIN = 1_000, 800
RECIPE = """
[data]
interactions = "log.parquet"
users = "users.parquet"
items = "items.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "at"
event = "what"
targets.liked = "rating >= 4"
[features.user]
city = "categorical"
age = {kind = "numeric", transform = "bucketise", buckets = 4}
[features.item]
price = {kind = "numeric", transform = "log"}
weight = "numeric"
tags = "multi_hot"
[features.context]
device = {kind = "categorical", min_count = 2}
page = {kind = "hashed", buckets = 50}
hour = {kind = "timestamp", column = "at"}
dwell = "numeric"
[compute]
threads = 1
"""


def _log(test_seed: int) -> dict[str, Any]:
    """Train rows are always the same; the later rows have their times alone in common."""

    def draw(seed: int, rows: int, fresh: int) -> dict[str, Any]:
        random = np.random.default_rng(seed)
        return {
            "user": random.integers(0, 40, rows) + fresh,
            "item": random.integers(0, 60, rows) + fresh,
            "rating": random.integers(1, 6, rows),
            "device": [f"device {n + fresh}" for n in random.integers(0, 9, rows)],
            "page": [f"page {n}" for n in random.integers(0, 300, rows)],
            "what": [f"event {n + fresh}" for n in random.integers(0, 4, rows)],
            "dwell": random.lognormal(size=rows) * (1 + fresh),
        }

    train, test = draw(0, TRAIN, 0), draw(test_seed, ROWS - TRAIN, test_seed * 3)
    merged = {name: [*train[name], *test[name]] for name in train}
    return {**merged, "at": np.arange(ROWS) * 3_600}


def _prepared(folder: Path, test_seed: int) -> Path:
    folder.mkdir()
    random = np.random.default_rng(9)
    users = {"user": np.arange(70), "age": random.integers(18, 80, 70), "city": [f"city {n % 50}" for n in range(70)]}
    items = {
        "item": np.arange(90),
        "price": random.lognormal(size=90),
        "weight": random.normal(size=90),
        "tags": [f"a{n % 7}|b{n % 40}" for n in range(90)],
    }
    for name, table in (("log", _log(test_seed)), ("users", users), ("items", items)):
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
    prepare(parse_recipe(RECIPE, data_dir=folder), folder / "prepared")
    return folder / "prepared"


@pytest.fixture(scope="module")
def two_tests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same training rows with two different tests."""
    root = tmp_path_factory.mktemp("leakage")
    return _prepared(root / "one", 1), _prepared(root / "two", 7)


def test_no_byte_of_what_is_fitted_changes_with_the_test_rows(two_tests: tuple[Path, Path]) -> None:
    one, two = two_tests
    files = sorted(path.relative_to(one) for path in (one / "features").rglob("*") if path.is_file())
    fitted = [path for path in files if path.name not in ("user.id.arrow", "item.id.arrow")]
    assert len(fitted) == 8, "four sides and the vocabularies of city, tags, device and types of event"
    for path in [*fitted, Path("schema.json")]:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path


def test_training_rows_are_the_same_bits(two_tests: tuple[Path, Path]) -> None:
    def train(folder: Path) -> list[bytes]:
        (shard,) = Prepared.open(folder).shards
        kept = shard.split == 0
        assert shard.event is not None
        columns = (
            shard.event,
            shard.user,
            shard.item,
            shard.time,
            shard.targets_nT,
            shard.context.ids_nF,
            shard.context.numbers_nN,
        )
        return [column[kept].tobytes() for column in columns]

    assert train(two_tests[0]) == train(two_tests[1])


def test_entities_of_train_keep_their_rows_and_features(two_tests: tuple[Path, Path]) -> None:
    one, two = (Prepared.open(folder) for folder in two_tests)
    known = one.schema.column("item.id").size
    assert one.item_keys[:known].equals(two.item_keys[:known])
    assert np.array_equal(one.items.numbers_nN[:known], two.items.numbers_nN[:known])
    assert np.array_equal(one.item_train_count[:known], two.item_train_count[:known])
    assert np.array_equal(one.item_positive_count[:known], two.item_positive_count[:known])
    assert not one.item_train_count[known:].any()
