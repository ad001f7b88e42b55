"""Prepared data of small tables, compared with what they should hold by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.core.progress import Reporter, Silent
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.features.encoder import Encoder, vocabulary_path
from shortlist.features.vocabulary import Vocabulary
from shortlist.recipe import parse_recipe
from shortlist.schema import Kind, Side

LOG: dict[str, list[Any]] = {
    "user": [7, 7, 7, 7, 8, 8, 8, 9, 9, 9],
    "item": ["b", "a", "c", "d", "a", "b", "e", "a", "f", "a"],
    "rating": [5, 3, 4, 5, 1, 5, 5, 4, 2, 5],
    "at": [10, 20, 30, 90, 20, 40, 80, 50, 60, 70],
    "device": ["tv", "tv", None, "web", "web", "tv", "app", "tv", "app", "tv"],
}
USERS: dict[str, list[Any]] = {
    "user": [9, 7, 8, 3],
    "age": [30.0, None, 50.0, 99.0],
    "city": ["Rome", "Oslo", "Rome", "Lima"],
}
ITEMS = {
    "item": ["a", "b", "c", "z"],
    "name": ["A", "B", "C", "Z"],
    "tags": ["x|y", "y", None, "x|w"],
    "price": [1.0, 3.0, 5.0, float("nan")],
}
RECIPE = """
[data]
interactions = "log.parquet"
users = "users.parquet"
items = "items.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "at"
title = "name"
targets.liked = "rating >= 4"
targets.stars = "rating"
[features.user]
age = "numeric"
city = "categorical"
[features.item]
tags = "multi_hot"
price = "numeric"
[features.context]
device = "categorical"
when = {kind = "timestamp", column = "at", parts = ["hour"]}
[split]
valid = 0.1
test = 0.2
[compute]
threads = 1
"""


def _write(folder: Path, **tables: dict[str, Any]) -> None:
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def _prepare(folder: Path, recipe: str = RECIPE, reporter: Reporter | None = None, **more: Any) -> Prepared:
    parsed = parse_recipe(recipe, "shop.toml", data_dir=folder)
    prepare(parsed, folder / "prepared", reporter or Silent(), **more)
    return Prepared.open(folder / "prepared")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    _write(tmp_path, log=LOG, users=USERS, items=ITEMS)
    return tmp_path


def test_events_are_sorted_and_encoded(shop: Path) -> None:
    """Train is what lies before 70; the user's order of events is that of time."""
    prepared = _prepare(shop)
    (shard,) = prepared.shards
    assert prepared.user_keys.to_pylist() == [None, 7, 8, 9, 3]
    assert prepared.item_keys.to_pylist() == [None, "a", "b", "c", "f", "d", "e", "z"]
    assert shard.user.tolist() == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert shard.time.tolist() == [10, 20, 30, 90, 20, 40, 80, 50, 60, 70]
    assert shard.item.tolist() == [2, 1, 3, 5, 1, 2, 6, 1, 4, 1]
    assert shard.split.tolist() == [0, 0, 0, 2, 0, 0, 2, 0, 0, 1]
    assert shard.targets_nT[:, 0].tolist() == [1, 0, 1, 1, 0, 1, 1, 1, 0, 1]
    assert shard.targets_nT[:, 1].tolist() == [5, 3, 4, 5, 1, 5, 5, 4, 2, 5]
    assert shard.weight is None


def test_entities_have_rows_in_order_of_training_events(shop: Path) -> None:
    prepared = _prepare(shop)
    assert prepared.item_train_count.tolist() == [0, 3, 2, 1, 1, 0, 0, 0]
    assert prepared.item_positive_count.tolist() == [0, 1, 2, 1, 0, 0, 0, 0]
    assert prepared.item_titles.to_pylist() == [None, "A", "B", "C", None, None, None, "Z"]
    sizes = {column.name: column.size for column in prepared.schema.columns if column.name.endswith(".id")}
    assert sizes == {"user.id": 4, "item.id": 5}
    assert prepared.id_of_item.tolist() == [
        prepared.schema.column("item.id").offset + n for n in (0, 1, 2, 3, 4, 0, 0, 0)
    ]
    assert prepared.schema.id_types == {"user": "int", "item": "text"}


def test_features_are_fitted_on_what_occurs_in_train(shop: Path) -> None:
    """User 3 and items d, e, z have no training event: 99 years, Lima and the tag w are unheard of."""
    prepared = _prepare(shop)
    features = shop / "prepared" / "features"
    users = Encoder.load(features, Side.USER)
    cities = Vocabulary.load(vocabulary_path(features, "user.city"))
    assert dict(zip(cities.values.to_pylist(), cities.rows.tolist(), strict=True)) == {"Rome": 1, "Oslo": 2}
    tags = Vocabulary.load(vocabulary_path(features, "item.tags"))
    assert tags.values.to_pylist() == ["x", "y"]
    devices = Vocabulary.load(vocabulary_path(features, "context.device"))
    assert dict(zip(devices.values.to_pylist(), devices.rows.tolist(), strict=True)) == {"tv": 1, "app": 2, "web": 3}
    ages = prepared.users.numbers_nN[:, 0]
    assert ages.tolist() == pytest.approx([0, 0, 1, -1, 5.9], abs=1e-6)
    city = prepared.schema.column("user.city")
    assert (prepared.users.ids_nF[:, 1] - city.offset).tolist() == [0, 2, 1, 1, 0]
    assert [column.name for column in users.columns] == ["user.id", "user.age", "user.city"]


def test_context_is_encoded_row_by_row(shop: Path) -> None:
    prepared = _prepare(shop)
    (shard,) = prepared.shards
    local = shard.context.ids_nF - [prepared.schema.column(n).offset for n in ("context.device", "context.when.hour")]
    assert local[:, 0].tolist() == [1, 1, 0, 3, 3, 1, 2, 1, 2, 1]
    assert local[:, 1].tolist() == [1] * 10


def test_multi_hot_keeps_what_it_knows(shop: Path) -> None:
    prepared = _prepare(shop)
    tags = prepared.schema.column("item.tags")
    assert tags.kind == Kind.BAG
    bag = prepared.items.bags["item.tags"]
    rows = [bag.values[bag.offsets_n[n] : bag.offsets_n[n + 1]] - tags.offset for n in range(len(prepared.items))]
    x, y = (
        int(Vocabulary.load(vocabulary_path(shop / "prepared/features", "item.tags")).lookup(pa.array([v]))[0])
        for v in "xy"
    )
    assert [row.tolist() for row in rows] == [[], [x, y], [y], [], [], [], [], [x]]


def test_the_engine_joins_what_the_encoder_looks_up(shop: Path) -> None:
    """What serving computes for an item from its raw values is what preparation stored."""
    prepared = _prepare(shop)
    encoder = Encoder.load(shop / "prepared" / "features", Side.USER)
    ids = Vocabulary.load(vocabulary_path(shop / "prepared" / "features", "user.id"))
    rows = [dict(zip(USERS, values, strict=True)) for values in zip(*USERS.values(), strict=True)]
    entity_rows = ids.lookup(pa.array(USERS["user"]))
    served = encoder.apply(encoder.batch(rows, entity_rows))
    assert np.array_equal(served.ids_nF, prepared.users.ids_nF[entity_rows])
    assert np.array_equal(served.numbers_nN, prepared.users.numbers_nN[entity_rows])


def test_the_vocabularies_of_ids_hold_everybody(shop: Path) -> None:
    _prepare(shop)
    items = Vocabulary.load(vocabulary_path(shop / "prepared" / "features", "item.id"))
    assert items.lookup(pa.array(["a", "z", "e", "unheard of"])).tolist() == [1, 7, 6, 0]


def test_the_manifest_says_what_was_done(shop: Path) -> None:
    _prepare(shop, fingerprint="abc")
    manifest = read_json(shop / "prepared" / "manifest.json")
    assert manifest.pop("seconds") >= 0
    assert manifest.pop("version")
    audit = manifest.pop("audit")
    assert manifest == {
        "fingerprint": "abc",
        "recipe": "shop",
        "rows": {"train": 7, "valid": 1, "test": 2},
        "users": 4,
        "items": 7,
        "shards": ["events-00000.arrow"],
        "split": {"kind": "time", "valid_from": 70, "test_from": 80},
        "engine": "duckdb",
    }
    assert (audit["rows_read"], audit["rows_kept"]) == (10, 10)
    assert [(found["count"], found["what"]) for found in audit["findings"]] == [
        (1, "numbers that are not finite in `price` of items.parquet"),
        (2, "items seen only in validation or test"),
        (3, "items of the log that are not in items.parquet"),
        (1, "items of items.parquet without a training event"),
    ]


def test_the_same_tables_give_the_same_bytes_in_any_order(shop: Path) -> None:
    _prepare(shop)
    (shop / "again").mkdir()
    order = np.random.default_rng(1).permutation(10)
    _write(shop / "again", log={k: [v[i] for i in order] for k, v in LOG.items()}, users=USERS, items=ITEMS)
    _prepare(shop / "again")
    assert _bytes(shop / "prepared") == _bytes(shop / "again" / "prepared")


def test_equal_times_are_in_no_order_of_items(tmp_path: Path) -> None:
    """Everything at once: the order by chance is the same each time, differs by user, and follows no popularity."""
    users, items = np.repeat(np.arange(50), 20), np.tile(np.arange(20), 50)
    _write(tmp_path, log={"user": users, "item": items, "at": np.zeros(1_000, np.int64)})
    recipe = '[data]\ninteractions = "log.parquet"\n[schema]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\n'
    prepared = _prepare(tmp_path, recipe + '[split]\nkind = "leave_one_out"\n')
    (shard,) = prepared.shards
    item_UL = shard.item.reshape(50, 20)
    assert len({tuple(row) for row in item_UL}) == 50
    assert shard.split.reshape(50, 20)[:, -2:].tolist() == [[1, 2]] * 50
    train_UL = item_UL[:, :18]
    place_of_popular = np.argwhere(train_UL == 1)[:, 1]
    assert 4 < place_of_popular.mean() < 13


def test_a_click_log_without_users_items_or_times(tmp_path: Path) -> None:
    clicks = {"label": [0, 1] * 50, "price": [1.0, 2.0, 4.0, 8.0] * 25, "site": ["a", "b", "a", "c", "d"] * 20}
    _write(tmp_path, log=clicks)
    recipe = '[data]\ninteractions = "log.parquet"\n[schema]\ntargets.clicked = "label"\n[split]\nkind = "random"\n'
    prepared = _prepare(tmp_path, recipe)
    (shard,) = prepared.shards
    assert len(shard) == 100
    assert not shard.user.any()
    assert not shard.item.any()
    assert not shard.time.any()
    assert (len(prepared.users), len(prepared.items)) == (1, 1)
    assert (prepared.schema.has_users, prepared.schema.has_items, prepared.schema.has_time) == (False, False, False)
    assert [column.name for column in prepared.schema.columns] == ["context.price", "context.site"]
    assert 20 < shard.targets_nT[:50, 0].sum() < 30, "rows of one kind must not stand together"


def test_weights_and_a_split_column(shop: Path) -> None:
    parts = ["train"] * 6 + ["dev", "test", "test", "train"]
    _write(shop, log={**LOG, "w": [0.5] * 10, "part": parts})
    recipe = RECIPE.replace("valid = 0.1\ntest = 0.2", 'kind = "column"\ncolumn = "part"')
    prepared = _prepare(shop, recipe.replace('timestamp = "at"', 'weight = "w"'))
    (shard,) = prepared.shards
    assert shard.weight is not None
    assert shard.weight.tolist() == [0.5] * 10
    assert prepared.manifest["rows"] == {"train": 7, "valid": 1, "test": 2}
    assert prepared.schema.weighted
    assert not prepared.schema.has_time


@pytest.mark.parametrize(("users", "items", "side"), [([1], range(20), "user"), (range(20), ["x"], "item")])
def test_one_user_or_one_item_is_refused(tmp_path: Path, users: list[int], items: list[int], side: str) -> None:
    columns = {"user": [*users] * (20 // len(users)), "item": [*items] * (20 // len(items)), "at": list(range(20))}
    _write(tmp_path, log=columns)
    recipe = '[data]\ninteractions = "log.parquet"\n[schema]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\n'
    with pytest.raises(DataError, match=f"at least two {side}s with training events in the column `{side}`, found one"):
        _prepare(tmp_path, recipe)
    assert not (tmp_path / "prepared").exists()


def test_ids_of_mixed_types_are_text(tmp_path: Path) -> None:
    lines = [f"{user},{item},{at}" for at, (user, item) in enumerate([(1, 2), ("x7", 3), (1, 4), (1, 2)] * 5)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,at", *lines]) + "\n")
    (tmp_path / "users.csv").write_text("user,age\n1,30\n2,40\n")
    recipe = """
        [data]
        interactions = "log.csv"
        users = "users.csv"
        [schema]
        user_id = "user"
        item_id = "item"
        timestamp = "at"
    """
    prepared = _prepare(tmp_path, recipe)
    assert prepared.schema.id_types == {"user": "text", "item": "int"}
    assert prepared.user_keys.to_pylist() == [None, "1", "x7", "2"]
    [mixed] = [found for found in prepared.manifest["audit"]["findings"] if "among the text ids" in found["what"]]
    assert (mixed["what"], mixed["count"]) == ("numbers among the text ids of `user`", 15)


class Lines(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, stage: str, message: str) -> None:
        self.said += message.split("\n")


def test_what_is_inferred_and_found_is_said(shop: Path) -> None:
    given, _, _ = RECIPE.partition("[features.user]")
    lines = Lines()
    prepared = _prepare(shop, given, lines)
    names = [column.name for column in prepared.schema.columns if not column.name.endswith(".id")]
    assert "context.rating" not in names, "the target is computed from it"
    assert "context.time.hour" in names
    assert "item.tags" in names
    assert "city -> categorical: 3 values" in lines.said
    assert "time -> timestamp: hour, weekday and month of the event" in lines.said
    assert "split: train 8, valid 1 from 1970-01-01 00:01:20, test 1 from 1970-01-01 00:01:30" in lines.said
    assert lines.said[-1].startswith("10 events, 1 shard, ")


def _bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
