"""What a column looks like."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from shortlist.tables.duckdb import DuckDB
from shortlist.tables.profile import ColumnProfile, profile
from shortlist.tables.text import look_at


def _profile(engine: DuckDB, **columns: object) -> dict[str, ColumnProfile]:
    return {found.name: found for found in profile(engine, engine.table("t", pa.table(columns)))}


def test_numbers(engine: DuckDB) -> None:
    found = _profile(engine, whole=[1, 2, 2, None], x=[0.5, float("nan"), float("inf"), 1.5], f=[1.0, 2.0, 4.0, None])
    whole = found["whole"]
    assert (whole.type, whole.rows, whole.nulls, whole.present, whole.distinct) == ("integer", 4, 1, 3, 2)
    assert (whole.minimum, whole.maximum, whole.is_integer, whole.examples) == (1, 2, True, (1, 2))
    assert (found["x"].type, found["x"].minimum, found["x"].maximum, found["x"].mean) == ("float", 0.5, 1.5, 1.0)
    assert found["x"].deviation == 0.5
    assert not found["x"].is_integer
    assert found["f"].is_integer


def test_other_types(engine: DuckDB) -> None:
    found = _profile(
        engine,
        text=["b", "a", "b"],
        flag=[True, None, False],
        day=[date(2020, 1, 2), date(2020, 1, 1), None],
        tags=[["x"], [], None],
        empty=pa.array([None] * 3, pa.string()),
    )
    assert {name: of.type for name, of in found.items()} == {
        "text": "text",
        "flag": "boolean",
        "day": "date",
        "tags": "list",
        "empty": "text",
    }
    assert found["text"].examples == ("b", "a")
    assert found["text"].minimum is None
    assert found["day"].minimum == date(2020, 1, 1)
    assert (found["tags"].nulls, found["tags"].distinct) == (1, 0)
    assert (found["empty"].present, found["empty"].distinct, found["empty"].separator) == (0, 0, None)


def test_an_empty_table_has_a_profile(engine: DuckDB) -> None:
    found = _profile(engine, x=pa.array([], pa.float64()), t=pa.array([], pa.string()))
    assert (found["x"].rows, found["x"].nulls, found["x"].is_integer, found["x"].examples) == (0, 0, False, ())
    assert found["t"].text == look_at([])


def test_a_separator_stands_between_values_that_come_back() -> None:
    genres = ["Drama|War", "War", "Drama | Comedy", "Comedy|Drama|War"] * 5
    assert (look_at(genres).separator, look_at(genres).values) == ("|", 3)
    assert look_at([genre.replace("|", ", ") for genre in genres]).separator == ","
    prose = [f"Once, in the year {year}, there lived a king" for year in range(50)]
    assert look_at(prose).separator is None
    assert look_at(["1,200", "3,400", "1,200"] * 9).separator is None
    assert look_at([f"name {n}, name {n + 1}" for n in range(50)]).separator is None


def test_addresses_and_words() -> None:
    look = look_at(["https://a.b/c", "http://x.y", "www.z.org", "a@b.example.org"])
    assert (look.addresses, look.words) == (1.0, 1.0)
    assert look_at(["one two three", "four"]).words == 2.0
