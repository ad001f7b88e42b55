"""Targets of every kind through preparation: numbers, classes, what is missing, and what cannot be learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.recipe import parse_recipe
from shortlist.schema import Schema, Target, TargetKind

NAN = float("nan")
RECIPE = """
[data]
interactions = "log.parquet"
[schema]
targets.click = "click"
targets.stars = {value = "stars / 5", kind = "regression"}
targets.shelf = {value = "shelf", kind = "multiclass"}
[features]
context = {device = "categorical"}
[split]
kind = "column"
column = "part"
[ranking]
negatives = {sampled = 0}
[compute]
threads = 1
"""
LOG: dict[str, list[Any]] = {
    "click": [1, 0, None, 1, 0, 1, None, 0],
    "stars": [5.0, NAN, 2.5, None, -10.0, 1.0, None, 2.0],
    "shelf": ["tea", "cup", "tea", "", "cup", "tea", None, "pot"],
    "device": list("abcdefgh"),
    "part": ["train"] * 5 + ["valid", "test", "test"],
}


def prepared(folder: Path, **columns: list[Any]) -> Prepared:
    pq.write_table(pa.table({**LOG, **columns}), folder / "log.parquet")
    prepare(parse_recipe(RECIPE, data_dir=folder), folder / "prepared")
    return Prepared.open(folder / "prepared")


def test_what_a_ranker_predicts_stands_in_the_schema(tmp_path: Path) -> None:
    data = prepared(tmp_path)

    assert data.schema.targets == (
        Target(name="click"),
        Target(name="stars", kind=TargetKind.REGRESSION, mean=-0.16667, deviation=1.31233),
        Target(name="shelf", kind=TargetKind.MULTICLASS, classes=("cup", "tea")),
    )
    assert Schema.from_json(data.schema.to_json()) == data.schema


def test_a_row_without_a_target_tells_the_others(tmp_path: Path) -> None:
    """Rows 0 to 4 are of train; equally frequent classes stand in the order of their names; `pot` is unheard of."""
    data = prepared(tmp_path)
    (shard,) = data.shards
    train = [[None if np.isnan(value) else value for value in row.tolist()] for row in shard.targets_nT]

    told = [[1.0, 1.0, 1.0], [0.0, None, 0.0], [None, 0.5, 1.0], [1.0, None, None], [0.0, -2.0, 0.0]]
    later = [[1.0, pytest.approx(0.2), 1.0], [0.0, pytest.approx(0.4), None]]
    assert len(shard) == 7
    for row in told + later:
        assert row in train
    assert data.manifest["rows"] == {"train": 5, "valid": 1, "test": 1}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    found = {finding["what"]: (finding["count"], finding["done"]) for finding in data.manifest["audit"]["findings"]}

    assert found == {
        "rows without any target": (1, "dropped"),
        "rows that do not tell `click`": (1, "treated as missing"),
        "rows that do not tell `stars`": (2, "treated as missing"),
        "rows that do not tell `shelf`": (1, "treated as missing"),
        "rows of a class of `shelf` that no training row has": (1, "left out of that target"),
    }


def test_the_most_frequent_class_is_the_first(tmp_path: Path) -> None:
    data = prepared(tmp_path, shelf=["z", "z", "b", "a", "b", "z", "z", "z"])

    assert data.schema.targets[2].classes == ("b", "z", "a")


def test_each_row_keeps_its_targets_however_it_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted in buckets of some hundred rows, a third of whose values are missing."""
    monkeypatch.setattr("shortlist.data.encoding.BUCKET_ROWS", 300)
    random, rows = np.random.default_rng(0), 2_000
    drawn = np.where(random.random((rows, 2)) < 1 / 3, NAN, random.integers(0, 5, (rows, 2)))
    log: dict[str, list[Any]] = {
        "click": [place % 2 for place in range(rows)],
        "stars": drawn[:, 0].tolist(),
        "shelf": [None if np.isnan(value) else "edcba"[int(value)] for value in drawn[:, 1]],
        "place": list(range(rows)),
        "part": ["train"] * (rows - 2) + ["valid", "test"],
        "user": random.integers(0, 50, rows).tolist(),
    }
    recipe = RECIPE.replace('{device = "categorical"}', '{place = {kind = "numeric", transform = "none"}}')
    recipe = recipe.replace("[schema]", '[schema]\nuser_id = "user"').replace("stars / 5", "stars")
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    prepare(parse_recipe(recipe, data_dir=tmp_path), tmp_path / "prepared")
    data = Prepared.open(tmp_path / "prepared")

    (shard,) = data.shards
    place_n = shard.context.numbers_nN[:, 0].astype(np.int64)
    assert sorted(place_n) == list(range(rows))
    classes = data.schema.targets[2].classes
    for place, (click, stars, shelf) in zip(place_n, shard.targets_nT.tolist(), strict=True):
        assert click == log["click"][place]
        assert stars == pytest.approx(log["stars"][place], nan_ok=True)
        assert (None if np.isnan(shelf) else classes[int(shelf)]) == log["shelf"][place]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"click": [1] * 8}, r"click = 'click' is 1 in every training row.*Expected rows of both kinds"),
        ({"stars": [2.5] * 8}, r"stars = 'stars / 5' is 0\.5 in every training row.*Expected different values"),
        ({"stars": [NAN] * 7 + [1.0]}, r"stars = 'stars / 5' is told by no training row"),
        ({"stars": [1e200, -1e200] * 4}, r"stars has values as large as 2e\+199: expected less than 1e\+30"),
        ({"stars": [1e35, 1.0] * 4}, r"stars has values as large as 2e\+34"),
        ({"stars": [5.0, 1.0] * 3 + [1.0, -1e40]}, r"stars has values as large as 2e\+39"),
        (
            {"stars": [5 * (1.7e9 + 30 * step) for step in range(8)]},
            r"about 1700000060 with a standard deviation of 42.*Subtract an origin .*such as 1700000060\.$",
        ),
        ({"shelf": ["tea"] * 7 + ["cup"]}, r"shelf = 'shelf' has 1 value \('tea'\) in the training rows: expected"),
        ({"shelf": [None] * 7 + ["cup"]}, r"shelf = 'shelf' has 0 values in the training rows.*nothing to learn"),
        ({"click": ["yes", "no"] * 4}, r"it is string, neither.*kind = \"multiclass\""),
    ],
)
def test_what_cannot_be_learned_is_refused(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepared(tmp_path, **columns)


def test_numbers_beyond_an_int64_are_learned(tmp_path: Path) -> None:
    data = prepared(tmp_path, stars=[5e25, NAN, 1e25, None, -5e25, 1e25, None, 2e25])

    assert data.schema.targets[1].deviation == pytest.approx(1e25 * np.std([1, 0.2, -1]), rel=1e-4)
    assert np.nanmax(data.shards[0].targets_nT[:, 1]) == pytest.approx(1e25)


def test_too_many_classes_are_refused(tmp_path: Path) -> None:
    rows = 1_100
    log: dict[str, list[Any]] = {
        "click": [0, 1] * (rows // 2),
        "stars": [float(i) for i in range(rows)],
        "shelf": [f"s{i}" for i in range(rows)],
        "device": ["tv"] * rows,
        "part": ["train"] * (rows - 2) + ["valid", "test"],
    }
    with pytest.raises(DataError, match=r"has 1,098 values .*expected 2 to 1,000 classes\. Put rare ones together"):
        prepared(tmp_path, **log)


SHOP = """
[data]
interactions = "log.parquet"
[schema]
user_id = "user"
item_id = "item"
targets.purchase = 'event == "purchase"'
targets.cart = 'event == "cart"'
targets.wanted = 'event in ("cart", "purchase")'
[split]
kind = "column"
column = "part"
[ranking]
[compute]
threads = 1
"""
EVENTS: dict[str, list[Any]] = {
    "user": [1, 1, 1, 2, 2, 2],
    "item": [1, 2, 3, 1, 2, 3],
    "event": ["view", "cart", "purchase"] * 2,
    "part": ["train"] * 4 + ["valid", "test"],
}


def shop(folder: Path, setting: str = "", **columns: list[Any]) -> Prepared:
    pq.write_table(pa.table({**EVENTS, **columns}), folder / "log.parquet")
    text = SHOP.replace("[ranking]", f"[ranking]\n{setting}")
    prepare(parse_recipe(text, data_dir=folder), folder / "prepared")
    return Prepared.open(folder / "prepared")


def test_targets_that_no_relevant_row_has_are_learned_from_the_others(tmp_path: Path) -> None:
    assert shop(tmp_path).manifest["rows"]["train"] == 4


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("negatives = {observed = false}", r"Set ranking\.negatives\.observed = true"),
        ('loss = "bpr"', r'Set ranking\.loss = "log_loss": bpr learns from no others'),
        ('loss = "softmax"\nnegatives = {observed = true}', r'Set ranking\.loss = "log_loss": softmax learns'),
    ],
)
def test_a_target_is_to_differ_over_the_rows_that_are_learned_from(tmp_path: Path, setting: str, remedy: str) -> None:
    said = r"targets\.cart is 0 in every one of the training rows whose first target, purchase, is above 0.*"
    with pytest.raises(DataError, match=said + remedy):
        shop(tmp_path, setting)
