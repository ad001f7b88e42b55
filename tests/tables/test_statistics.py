"""Statistics from the engine against numpy's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.tables.duckdb import DuckDB
from shortlist.tables.statistics import counts, moments, quantiles


def test_moments_of_the_finite_values(engine: DuckDB) -> None:
    x = [1.0, 2.0, 6.0, None, float("nan"), float("-inf")]
    table = engine.table("t", pa.table({"x": x, "text": ["1", "3", "?", "", None, "5"], "flag": [True] * 6}))
    found = moments(engine, table, {"x": ("x", False), "log": ("x", True), "t": ("text", False), "f": ("flag", False)})
    assert found["x"] == pytest.approx((3, 3, 3.0, math.sqrt(14 / 3)))
    logs = np.log1p([1.0, 2.0, 6.0])
    assert found["log"] == pytest.approx((3, 3, logs.mean(), logs.std()))
    assert found["t"] == pytest.approx((3, 3, 3.0, math.sqrt(8 / 3)))
    assert found["f"] == (6, 0, 1.0, 0.0)


def test_moments_of_nothing(engine: DuckDB) -> None:
    table = engine.table("t", pa.table({"x": pa.array([None, None], pa.float64())}))
    assert moments(engine, table, {"x": ("x", False)}) == {"x": (0, 2, 0.0, 0.0)}
    assert moments(engine, table, {}) == {}


def test_logarithms_keep_their_sign(engine: DuckDB) -> None:
    table = engine.table("t", pa.table({"x": [-3.0, 3.0]}))
    assert moments(engine, table, {"x": ("x", True)})["x"] == pytest.approx((2, 0, 0.0, math.log(4)))


def test_quantiles_lie_between_neighbours(engine: DuckDB) -> None:
    table = engine.table("t", pa.table({"x": [4.0, 1.0, 3.0, 2.0, None, float("inf")]}))
    assert quantiles(engine, table, "x", [0.25, 0.5, 0.75]) == pytest.approx((1.75, 2.5, 3.25))
    empty = engine.table("t", pa.table({"x": pa.array([None], pa.float64())}))
    assert quantiles(engine, empty, "x", [0.5]) == ()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["b", "a", "b", None, "c", ""], pa.string(), [("b", 2), ("", 1), ("a", 1), ("c", 1)]),
        ([3, 1, 3, None, -2], pa.int16(), [(3, 2), (-2, 1), (1, 1)]),
        (["Z", "a", "é", "z"], pa.string(), [("Z", 1), ("a", 1), ("z", 1), ("é", 1)]),
    ],
)
def test_counts_are_ordered(engine: DuckDB, values: list[Any], kind: pa.DataType, expected: list[Any]) -> None:
    found = counts(engine, engine.table("t", pa.table({"x": pa.array(values, kind)})), "x")
    assert list(zip(found["value"].to_pylist(), found["count"].to_pylist(), strict=True)) == expected
    assert found["value"].type == (pa.string() if kind == pa.string() else pa.int64())
    assert found["count"].type == pa.int64()


@pytest.mark.parametrize("separator", ["|", ".", "||", ", "])
def test_counts_of_single_values(engine: DuckDB, separator: str) -> None:
    texts = [separator.join(["a", "b"]), "b", None, separator.join(["b", "a", "c"])]
    found = counts(engine, engine.table("t", pa.table({"x": texts})), "x", separator)
    assert dict(zip(found["value"].to_pylist(), found["count"].to_pylist(), strict=True)) == {"b": 3, "a": 2, "c": 1}


def test_counts_of_lists(engine: DuckDB) -> None:
    table = engine.table("t", pa.table({"x": pa.array([[1, 2], [], None, [2, None]], pa.list_(pa.int32()))}))
    found = counts(engine, table, "x", "|")
    assert found.to_pydict() == {"value": [2, 1], "count": [2, 1]}
