"""Logs in parts: what is joined, in which order, and what fits nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.names import PART, SOURCE
from shortlist.tables.parts import Part, join_parts, lacking

TRAIN = {"item": ["a", "b", "c"], "clicked": [1, 0, 1]}
TEST = {"item": ["d"], "clicked": [0]}


def parts_of(engine: DuckDB, folder: Path, **columns: Mapping[str, Any]) -> dict[str, Part]:
    parts = {}
    for name, values in columns.items():
        path = folder / f"{name}.parquet"
        pq.write_table(pa.table(values), path)
        parts[name] = Part(path.name, engine.read(str(path), position=True))
    return parts


def test_rows_are_counted_through_and_know_their_part(engine: DuckDB, tmp_path: Path) -> None:
    parts = parts_of(engine, tmp_path, train=TRAIN, valid=TEST, test={"clicked": [1, 0], "item": ["e", "f"]})
    joined = engine.to_arrow(join_parts(engine, parts).order_by(SOURCE)).to_pydict()
    assert joined[SOURCE] == [0, 1, 2, 3, 4, 5]
    assert joined["item"] == ["a", "b", "c", "d", "e", "f"], "columns are found by name"
    assert joined[PART] == ["train", "train", "train", "valid", "test", "test"]


def test_a_column_that_one_part_lacks_is_left_out_and_named(engine: DuckDB, tmp_path: Path) -> None:
    parts = parts_of(engine, tmp_path, train={**TRAIN, "drawn": [True, False, True]}, test=TEST)
    assert lacking(parts) == {"drawn": "test.parquet"}
    assert "drawn" not in join_parts(engine, parts).columns


def test_numbers_of_several_widths_become_the_wider_one(engine: DuckDB, tmp_path: Path) -> None:
    narrow = {"n": pa.array([1, 2], pa.int16()), "x": pa.array([1, None], pa.int32())}
    wide = {"n": pa.array([2**40], pa.int64()), "x": pa.array([0.5], pa.float64())}
    joined = engine.to_arrow(join_parts(engine, parts_of(engine, tmp_path, train=narrow, test=wide)).order_by(SOURCE))
    assert joined["n"].to_pylist() == [1, 2, 2**40]
    assert joined["x"].to_pylist() == [1.0, None, 0.5]


def test_text_here_and_numbers_there_are_told(engine: DuckDB, tmp_path: Path) -> None:
    parts = parts_of(engine, tmp_path, train=TRAIN, test={"item": [4], "clicked": [0]})
    with pytest.raises(
        DataError, match=r"`item` to be of one type .* string in train\.parquet, int64 in test\.parquet"
    ):
        join_parts(engine, parts)


def test_a_part_without_a_value_takes_the_others_type(engine: DuckDB, tmp_path: Path) -> None:
    """As the readers of text have it: where there is nothing to guess from, the type is text."""
    empty = {"item": ["d"], "clicked": pa.array([None], pa.string())}
    joined = engine.to_arrow(join_parts(engine, parts_of(engine, tmp_path, train=TRAIN, test=empty)).order_by(SOURCE))
    assert joined["clicked"].to_pylist() == [1, 0, 1, None]


def test_a_part_without_rows_is_named(engine: DuckDB, tmp_path: Path) -> None:
    nothing = {"item": pa.array([], pa.string()), "clicked": pa.array([], pa.int64())}
    with pytest.raises(DataError, match=r"data\.interactions\.test = 'test\.parquet': expected rows"):
        join_parts(engine, parts_of(engine, tmp_path, train=TRAIN, test=nothing))
