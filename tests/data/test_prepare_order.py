"""The order of stored events in awkward logs, compared with a sort by hand."""

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
from shortlist.tables.hashing import PRIME

ROWS = 3_000
WITH_USERS = """
[data]
interactions = "log.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "time"
targets.stars = "stars"
targets.half = "half"
[features.context]
row = "numeric"
"""
WITHOUT_USERS = """
[data]
interactions = "log.parquet"
[schema]
targets.stars = "stars"
[features.context]
row = {kind = "numeric", transform = "none"}
[split]
kind = "random"
"""


def _log(folder: Path) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    columns: dict[str, Any] = {
        "user": np.array(["é", "e\u0301", "user-with-a-long-name", "Ω"])[random.integers(0, 4, ROWS)],
        "item": random.integers(0, 5, ROWS),
        "time": random.integers(1_000, 1_020, ROWS),
        "stars": random.integers(-1, 3, ROWS),
        "half": random.integers(0, 4, ROWS) / 2,
        "row": np.arange(ROWS),
    }
    pq.write_table(pa.table(columns), folder / "log.parquet")
    return columns


def _prepared(folder: Path, recipe: str) -> Prepared:
    prepare(parse_recipe(recipe, data_dir=folder), folder / "prepared", now=1_800_000_000.0)
    return Prepared.open(folder / "prepared")


def _drawn(*values: Any, seed: int = 0) -> np.ndarray:
    """`pseudo_random` once more, in Python's integers."""
    state = np.full(len(values[0]), (seed * 7_919 + 12_345) % PRIME, object)
    for value, factor in zip(values, (1_103_515_245, 742_938_285), strict=False):
        state = (state + value.astype(object) % PRIME * factor) % PRIME
    for factor, shift in ((630_360_016, 12_345), (950_706_376, 7_654_321), (16_807, 1_234_567)):
        state = (state * factor + shift) % PRIME
        state = state * ((state + shift) % PRIME) % PRIME
    return state.astype(np.int64)


@pytest.mark.parametrize("bucket_rows", [100, 1_000_000])
def test_ties_of_users_and_times_are_settled_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket_rows: int
) -> None:
    monkeypatch.setattr("shortlist.data.encoding.BUCKET_ROWS", bucket_rows)
    log = _log(tmp_path)
    prepared = _prepared(tmp_path, WITH_USERS)
    (shard,) = prepared.shards
    row_of_user = {key: row for row, key in enumerate(prepared.user_keys.to_pylist())}
    row_of_item = {key: row for row, key in enumerate(prepared.item_keys.to_pylist())}
    user_n = np.array([row_of_user[key] for key in log["user"]])
    item_n = np.array([row_of_item[key] for key in log["item"]])
    split_of = dict(zip(shard.time.tolist(), shard.split.tolist(), strict=True))
    split_n = np.array([split_of[time] for time in log["time"].tolist()])
    draw_n = _drawn(user_n, item_n)
    order = np.lexsort([log["row"], log["half"], log["stars"], item_n, draw_n, split_n, log["time"], user_n])
    assert shard.user.tolist() == user_n[order].tolist()
    assert shard.item.tolist() == item_n[order].tolist()
    assert shard.time.tolist() == log["time"][order].tolist()
    assert shard.targets_nT.tolist() == np.stack([log["stars"], log["half"]], axis=1)[order].tolist()
    row_n = shard.context.numbers_nN[:, 0]
    assert np.corrcoef(row_n, log["row"][order])[0, 1] > 0.999_999
    assert not (tmp_path / "prepared" / "buckets").exists()


@pytest.mark.parametrize("bucket_rows", [100, 1_000_000])
def test_a_log_without_users_is_in_random_order_within_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket_rows: int
) -> None:
    monkeypatch.setattr("shortlist.data.encoding.BUCKET_ROWS", bucket_rows)
    log = _log(tmp_path)
    (shard,) = _prepared(tmp_path, WITHOUT_USERS).shards
    draw_n = _drawn(log["row"])
    split_n = np.where(draw_n < int(0.1 * PRIME), 2, np.where(draw_n < int(0.2 * PRIME), 1, 0))
    order = np.lexsort([log["row"], log["stars"], draw_n, split_n])
    assert shard.context.numbers_nN[:, 0].tolist() == log["row"][order].tolist()
    assert shard.split.tolist() == split_n[order].tolist()
    assert shard.split.dtype == np.int8


@pytest.mark.parametrize("column", ["time", "stars", "half"])
def test_a_column_of_one_value_is_stored_all_the_same(tmp_path: Path, column: str) -> None:
    log = _log(tmp_path)
    log[column] = np.full(ROWS, 7)
    pq.write_table(pa.table(log), tmp_path / "log.parquet")
    features = {"time": '{kind = "timestamp", column = "time"}', "row": '{kind = "numeric", transform = "none"}'}
    listed = "\n".join(f"{name} = {spec}" for name, spec in features.items())
    recipe = (
        WITH_USERS.replace('row = "numeric"', listed) + '[ranking]\nnegatives = {sampled = 1}\n[split]\nkind = "random"'
    )
    (shard,) = _prepared(tmp_path, recipe).shards
    row_n = shard.context.numbers_nN[:, 0].astype(int)
    assert sorted(row_n) == list(range(ROWS))
    assert shard.time.tolist() == log["time"][row_n].tolist()
    assert shard.targets_nT.tolist() == np.stack([log["stars"], log["half"]], axis=1)[row_n].tolist()


def test_the_part_is_one_byte_however_rows_are_held_out(tmp_path: Path) -> None:
    _log(tmp_path)
    (shard,) = _prepared(tmp_path, WITH_USERS + '[split]\nkind = "leave_one_out"').shards
    assert shard.split.dtype == np.int8
    assert np.bincount(shard.split)[1:].tolist() == [4, 4]
