"""Ids as integers or text, the same in every table."""

from __future__ import annotations

import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.ids import id_key, id_type


def _type(engine: DuckDB, *columns: pa.Array) -> str:
    tables = [engine.table("ids", pa.table({"id": column})) for column in columns]
    return id_type(engine, [(f"table {place}", table, "id") for place, table in enumerate(tables)])


def _keys(engine: DuckDB, column: pa.Array, kind: str) -> list[int | str | None]:
    table = engine.table("ids", pa.table({"row": range(len(column)), "id": column}))
    return list(engine.to_arrow(table.mutate(k=id_key(table["id"], kind)).order_by("row"))["k"].to_pylist())


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint32(), pa.int64(), pa.float64()])
def test_integers_of_any_width_and_floats_with_gaps_are_int(engine: DuckDB, kind: pa.DataType) -> None:
    column = pa.array([1, None, 3], kind)
    assert _type(engine, column) == "int"
    assert _keys(engine, column, "int") == [1, None, 3]


@pytest.mark.parametrize("column", [pa.array(["1", "x"]), pa.array([2**63], pa.uint64()), pa.array([True])])
def test_everything_else_is_text(engine: DuckDB, column: pa.Array) -> None:
    assert _type(engine, column) == "text"


def test_where_one_table_has_text_both_do(engine: DuckDB) -> None:
    assert _type(engine, pa.array([1, 2]), pa.array(["1", "2"])) == "text"
    assert _keys(engine, pa.array([1, 2]), "text") == ["1", "2"]
    assert _keys(engine, pa.array([1.0, None]), "text") == ["1", None]


def test_empty_text_is_no_id(engine: DuckDB) -> None:
    assert _keys(engine, pa.array(["a", "", None]), "text") == ["a", None, None]


@pytest.mark.parametrize("value", [1.5, float("inf"), float("nan"), 1e17])
def test_a_number_that_is_not_whole_is_no_id(engine: DuckDB, value: float) -> None:
    with pytest.raises(DataError, match="table 0: expected ids in the column `id`, found"):
        _type(engine, pa.array([1.0, value]))


def test_lists_are_no_ids(engine: DuckDB) -> None:
    with pytest.raises(DataError, match="found array"):
        _type(engine, pa.array([[1]]))
