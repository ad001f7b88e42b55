"""Logs that are published in parts: held out as the files say, and what is wrong with a part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.core.progress import Silent
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.recipe import parse_recipe
from shortlist.schema import Split

RECIPE = """
[data]
interactions = {interactions}
[schema]
targets.clicked = "label"
{timestamp}
"""
THREE = '{train = "train.parquet", valid = "valid.parquet", test = "test.parquet"}'
TWO = '{train = "train.parquet", test = "test.parquet"}'


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, stage: str, text: str) -> None:
        self.lines.append(text)


def write(folder: Path, part: str, rows: int, **more: Any) -> None:
    """Clicks by turns on a device of the part's own name, or of none."""
    columns = {
        "label": np.arange(rows) % 2,
        "at": 1_000 + np.arange(rows),
        "device": [part if row % 3 else "any" for row in range(rows)],
        **more,
    }
    pq.write_table(pa.table(columns), folder / f"{part}.parquet")


def prepared(folder: Path, interactions: str, timestamp: str = "", said: Silent | None = None) -> Prepared:
    text = RECIPE.format(interactions=interactions, timestamp=timestamp)
    prepare(parse_recipe(text, data_dir=folder), folder / "prepared", said or Silent())
    return Prepared.open(folder / "prepared")


def test_every_file_is_its_part_and_vocabularies_are_of_train(tmp_path: Path) -> None:
    for part, rows in (("train", 60), ("valid", 20), ("test", 10)):
        write(tmp_path, part, rows)
    found = prepared(tmp_path, THREE)
    assert found.manifest["rows"] == {"train": 60, "valid": 20, "test": 10}
    assert found.manifest["split"]["kind"] == "column"
    column = found.schema.column("context.device")
    assert column.size == 1 + 2, "`train` and `any`: no other part's device is known"
    (shard,) = found.shards
    of_test = shard.context.ids_nF[shard.split == Split.TEST, 0] - column.offset
    assert sorted(set(of_test.tolist())) == [0, found_row(shard, column)]


def found_row(shard: Any, column: Any) -> int:
    """The row of `any`, the less frequent device of train."""
    of_train = shard.context.ids_nF[shard.split == Split.TRAIN, 0] - column.offset
    return int(np.bincount(of_train)[1:].argmin() + 1)


def test_validation_is_cut_from_train_by_time_or_by_chance(tmp_path: Path) -> None:
    write(tmp_path, "train", 100)
    write(tmp_path, "test", 10)
    said = Said()
    by_time = prepared(tmp_path, TWO, 'timestamp = "at"', said)
    assert by_time.manifest["rows"] == {"train": 90, "valid": 10, "test": 10}
    assert by_time.manifest["split"]["valid_from"] == 1_090
    assert "it was cut from train" in "\n".join(said.lines)
    rows = prepared(tmp_path, TWO).manifest["rows"]
    assert rows["train"] + rows["valid"] == 100
    assert 2 <= rows["valid"] <= 25


def test_a_column_of_one_part_alone_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path, "train", 50, drawn=np.arange(50) % 4)
    write(tmp_path, "test", 10)
    said = Said()
    found = prepared(tmp_path, TWO, said=said)
    assert "context.drawn" not in {column.name for column in found.schema.columns}
    assert "drawn -> left out: test.parquet has no such column" in "\n".join(said.lines)


def test_a_column_that_a_part_needs_is_missed_by_name(tmp_path: Path) -> None:
    write(tmp_path, "train", 50)
    pq.write_table(pa.table({"at": [1], "device": ["x"]}), tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"schema\.targets\.clicked = 'label': test\.parquet has no column `label`"):
        prepared(tmp_path, TWO)


def test_a_file_that_is_not_there_is_missed_by_name(tmp_path: Path) -> None:
    write(tmp_path, "train", 50)
    with pytest.raises(DataError, match=r"nothing at .*test\.parquet"):
        prepared(tmp_path, TWO)


def test_a_part_without_rows_is_named(tmp_path: Path) -> None:
    write(tmp_path, "train", 50)
    write(tmp_path, "test", 0)
    with pytest.raises(DataError, match=r"interactions\.test = 'test\.parquet': expected rows"):
        prepared(tmp_path, TWO)
