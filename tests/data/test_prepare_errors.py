"""What a person gets wrong: one clear error each, and nothing left that could be taken for prepared data."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError, EnvironmentFault, RecipeError, UserError
from shortlist.data import prepare as module
from shortlist.data.prepare import prepare
from shortlist.recipe import parse_recipe

RECIPE = """
[data]
interactions = "log.parquet"
items = "items.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "at"
targets.liked = "rating >= 4"
[features.item]
price = "numeric"
[compute]
threads = 1
"""
LOG: dict[str, Any] = {
    "user": np.arange(40) % 5,
    "item": np.arange(40) % 8,
    "at": np.arange(40),
    "rating": np.arange(40) % 5 + 1,
}
ITEMS: dict[str, Any] = {"item": np.arange(8), "price": np.arange(8) / 2}


def _prepare(folder: Path, recipe: str = RECIPE, log: Any = LOG, items: Any = ITEMS) -> None:
    pq.write_table(pa.table(log), folder / "log.parquet")
    pq.write_table(pa.table(items), folder / "items.parquet")
    prepare(parse_recipe(recipe, data_dir=folder), folder / "runs" / "prepared")


def _refused(folder: Path, error: type[UserError], message: str, **given: Any) -> None:
    with pytest.raises(error, match=message):
        _prepare(folder, **given)
    _nothing_left(folder)


def _nothing_left(folder: Path) -> None:
    runs = folder / "runs"
    assert not runs.exists() or list(runs.iterdir()) == []


def test_the_tables_as_they_are_would_do(tmp_path: Path) -> None:
    _prepare(tmp_path)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["prepared"]


def test_missing_columns_come_all_at_once(tmp_path: Path) -> None:
    recipe = RECIPE.replace('"user"', '"usr"').replace("rating >=", "stars >=").replace("price =", "prize =")
    with pytest.raises(DataError) as raised:
        _prepare(tmp_path, recipe)
    assert str(raised.value).splitlines() == [
        "schema.user_id = 'usr': log.parquet has no column `usr`. Did you mean `user`?",
        "schema.targets.liked = 'stars': log.parquet has no column `stars`. There is: at, item, rating, user.",
        "features.item.prize = 'prize': items.parquet has no column `prize`. Did you mean `price`?",
    ]
    _nothing_left(tmp_path)


def test_an_empty_table(tmp_path: Path) -> None:
    empty = pa.table(LOG).slice(0, 0)
    _refused(tmp_path, DataError, r"log\.parquet: expected rows, found an empty table", log=empty)
    _refused(tmp_path, DataError, r"items\.parquet: expected rows", items=pa.table(ITEMS).slice(0, 0))


def test_a_broken_parquet_file(tmp_path: Path) -> None:
    _prepare(tmp_path)
    path = tmp_path / "log.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = sorted((tmp_path / "runs" / "prepared").iterdir())
    with pytest.raises(DataError, match=r"log\.parquet: expected a whole Parquet file"):
        prepare(parse_recipe(RECIPE, data_dir=tmp_path), tmp_path / "runs" / "prepared")
    assert sorted((tmp_path / "runs" / "prepared").iterdir()) == before, "what was prepared before stays"


def test_a_missing_file_says_what_is_there(tmp_path: Path) -> None:
    recipe = RECIPE.replace("items.parquet", "item.parquet")
    _refused(tmp_path, DataError, r"holds items\.parquet, log\.parquet.*Did you mean `items\.parquet`", recipe=recipe)


def test_text_that_is_to_be_a_number(tmp_path: Path) -> None:
    """In an item's table and in the log, of which the feature names the column."""
    words = {**ITEMS, "price": ["free"] * 8}
    _refused(tmp_path, DataError, r"features\.item\.price: .* of items\.parquet, found none .*'free'", items=words)
    recipe = RECIPE.replace("[compute]", '[features.context]\nplace = {kind = "numeric", column = "page"}\n[compute]')
    log = {**LOG, "page": ["home"] * 40}
    _refused(tmp_path, DataError, r"features\.context\.place: .* `page` of log\.parquet", recipe=recipe, log=log)


def test_the_same_item_twice(tmp_path: Path) -> None:
    items = {"item": [1, 2, 2], "price": [1.0, 2.0, 3.0]}
    _refused(tmp_path, DataError, r"items\.parquet: expected one row .*found 1 keys .*2 \(2 rows\)", items=items)


@pytest.mark.parametrize(("rating", "value"), [(1, "0"), (5, "1")])
def test_a_target_that_never_changes(tmp_path: Path, rating: int, value: str) -> None:
    """Always 1 is nothing to learn either, once no negatives are sampled."""
    recipe = RECIPE + "[ranking]\nnegatives = {sampled = 0}\n"
    log = {**LOG, "rating": np.full(40, rating)}
    message = rf"'rating >= 4' is {value} in every training row: there is nothing to learn"
    _refused(tmp_path, DataError, message, recipe=recipe, log=log)


def test_a_target_that_is_always_met_is_learned_against_sampled_negatives(tmp_path: Path) -> None:
    _prepare(tmp_path, log={**LOG, "rating": np.full(40, 5)})


def test_all_rows_at_one_moment(tmp_path: Path) -> None:
    message = r"leaves no row for train: train 0, valid 0, test 40"
    _refused(tmp_path, DataError, message, log={**LOG, "at": np.full(40, 7)})


def test_a_split_by_time_without_times(tmp_path: Path) -> None:
    recipe = RECIPE.replace('timestamp = "at"', "")
    _refused(tmp_path, DataError, r'schema\.timestamp names no column.* "column" .*"random"', recipe=recipe)


def test_no_time_can_be_read(tmp_path: Path) -> None:
    _refused(
        tmp_path,
        DataError,
        "no usable row is left of 40.\n40 rows whose time cannot be read",
        log={**LOG, "at": ["?"] * 40},
    )


def test_features_and_tables_that_do_not_fit_together(tmp_path: Path) -> None:
    recipe = (
        RECIPE.replace('user_id = "user"', 'title = "name"')
        .replace('item_id = "item"', "")
        .replace("[compute]", '[features.user]\nage = "numeric"\n[features.context]\nrating = "numeric"\n[compute]')
    )
    with pytest.raises(RecipeError) as raised:
        _prepare(tmp_path, recipe)
    assert [problem.where for problem in raised.value.problems] == [
        "features.user",
        "data.items",
        "features.context.rating",
    ]
    assert "it is not known when a request is made" in str(raised.value)


def test_ids_that_are_no_ids(tmp_path: Path) -> None:
    log = {**LOG, "user": np.arange(40) / 2}
    _refused(tmp_path, DataError, r"log\.parquet: expected ids in the column `user`, found 0\.5", log=log)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), pa.ArrowInvalid("No space left")])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(module, "write_batch", full)
    _refused(tmp_path, EnvironmentFault, "the disk is full")


def test_ctrl_c_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _prepare(tmp_path)
    _nothing_left(tmp_path)


def test_messages_hold_no_stack_and_no_engine_advice(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,at,rating\n1,2,3\n" + "1,2,3,4\n" * 5)
    pq.write_table(pa.table(ITEMS), tmp_path / "items.parquet")
    recipe = parse_recipe(RECIPE.replace("log.parquet", "log.csv"), data_dir=tmp_path)
    with pytest.raises(DataError, match=r"log\.csv") as raised:
        prepare(recipe, tmp_path / "runs" / "prepared")
    assert not re.search(r"sample_size|ignore_errors|Traceback", str(raised.value))
