"""Packed keys give the order of the columns that they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from shortlist.tables.duckdb import DuckDB
from shortlist.tables.ordering import Bounds, bounds, packed

Array = npt.NDArray[Any]


def _order(engine: DuckDB, columns: dict[str, Array], names: list[str]) -> tuple[list[int], int]:
    rows = len(next(iter(columns.values())))
    table = engine.table("rows", pa.table({"place": range(rows), **columns}))
    keys = packed(table, names, bounds(engine, table, names))
    ordered = table.mutate(**keys).order_by([*keys, "place"])
    return engine.to_arrow(ordered.select("place"))["place"].to_pylist(), len(keys)


@pytest.mark.parametrize(("size", "keys"), [(2, 1), (1_000, 1), (2**31, 2), (2**61, 4)])
def test_the_order_is_that_of_the_columns(engine: DuckDB, size: int, keys: int) -> None:
    random = np.random.default_rng(size)
    columns: dict[str, Array] = {
        "a": random.integers(-3, 3, 500).astype(np.int8),
        "b": random.integers(-(size // 2), size - size // 2, 500),
        "c": random.integers(-2, 2, 500).astype(np.float64),
        "d": random.integers(0, size, 500),
    }
    names = list(columns)
    expected = np.lexsort([columns[name] for name in reversed(names)]).tolist()
    assert _order(engine, columns, names) == (expected, keys)


def test_fractions_are_a_key_of_their_own_and_a_constant_is_none(engine: DuckDB) -> None:
    columns = {
        "a": np.array([2, 1, 2, 1, 2]),
        "constant": np.full(5, 7),
        "half": np.array([0.5, 2.0, -0.5, 1.5, 0.25]),
        "d": np.array([1, 2, 3, 4, 5]),
    }
    assert _order(engine, columns, list(columns)) == ([3, 1, 2, 4, 0], 3)


def test_numbers_too_large_to_be_whole_stay_as_they_are(engine: DuckDB) -> None:
    columns = {"huge": np.array([2.0**60, -(2.0**62), 0.0]), "a": np.array([1, 2, 3])}
    table = engine.table("rows", pa.table(columns))
    assert bounds(engine, table, ["huge", "a"]) == {"a": Bounds(1, 3)}
    assert _order(engine, columns, ["huge", "a"]) == ([1, 2, 0], 2)


def test_numbers_beyond_an_int64_stay_as_they_are(engine: DuckDB) -> None:
    columns = {"beyond": np.array([1e25, -1e300, 0.0]), "a": np.array([1, 2, 3])}
    assert _order(engine, columns, ["beyond", "a"]) == ([1, 2, 0], 2)


def test_no_column_and_no_row_have_no_bounds(engine: DuckDB) -> None:
    table = engine.table("rows", pa.table({"a": pa.array([], pa.int64())}))
    assert bounds(engine, table, []) == {}
    assert bounds(engine, table, ["a"]) == {}
