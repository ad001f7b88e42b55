"""Times in every form, as Unix seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.times import seconds, unit_of

MOMENT = 1_577_872_800
"""2020-01-01 10:00:00 UTC."""


def _read(engine: DuckDB, values: list[Any], kind: pa.DataType | None = None) -> list[int | None]:
    table = engine.table("times", pa.table({"row": range(len(values)), "t": pa.array(values, kind)}))
    found = table.mutate(s=seconds(table["t"], unit_of(engine, table, "t"))).order_by("row")
    return list(engine.to_arrow(found)["s"].to_pylist())


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_the_size_of_integers_tells_their_unit(engine: DuckDB, unit: int) -> None:
    assert _read(engine, [MOMENT * unit, (MOMENT + 1) * unit, None]) == [MOMENT, MOMENT + 1, None]
    assert _read(engine, [str(MOMENT * unit)] * 3) == [MOMENT] * 3


def test_one_odd_value_does_not_change_the_unit(engine: DuckDB) -> None:
    """17 milliseconds after 1970 among milliseconds; a value far too large among seconds is no time."""
    assert _read(engine, [MOMENT * 1000, (MOMENT + 1) * 1000, 17]) == [MOMENT, MOMENT + 1, 0]
    assert _read(engine, [MOMENT, MOMENT + 1, 10**15]) == [MOMENT, MOMENT + 1, None]


def test_positions_in_an_order_are_taken_as_seconds(engine: DuckDB) -> None:
    assert _read(engine, [0, 1, 2], pa.int16()) == [0, 1, 2]


def test_floats_are_cut_to_whole_seconds(engine: DuckDB) -> None:
    assert _read(engine, [MOMENT + 0.9, -0.5, float("nan"), float("inf"), 1e300]) == [MOMENT, -1, None, None, None]


def test_dates_and_times(engine: DuckDB) -> None:
    day = date(2020, 1, 1)
    moment = datetime(2020, 1, 1, 10, 0, 0, 900_000)
    assert _read(engine, [day, None]) == [MOMENT - 36_000, None]
    assert _read(engine, [moment], pa.timestamp("us")) == [MOMENT]
    assert _read(engine, [moment.replace(tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin")) == [MOMENT]
    assert _read(engine, [datetime(1969, 12, 31, 23, 59, 59, 500_000)], pa.timestamp("us")) == [-1]


def test_iso_text_with_and_without_a_zone(engine: DuckDB) -> None:
    texts = [
        "2020-01-01 10:00:00",
        "2020-01-01T10:00:00Z",
        "2020-01-01T12:00:00+02:00",
        "2020-01-01T10:00:00.250Z",
        "2020-01-01",
        "yesterday",
        "",
    ]
    assert _read(engine, texts) == [MOMENT, MOMENT, MOMENT, MOMENT, MOMENT - 36_000, None, None]


def test_a_column_that_holds_no_times(engine: DuckDB) -> None:
    with pytest.raises(DataError, match=r"schema\.timestamp: expected numbers, dates"):
        _read(engine, [[1]], pa.list_(pa.int64()))
