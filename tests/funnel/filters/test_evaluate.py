"""Filters: what they keep, held against a naive evaluation row by row, and what they say of mistakes."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.core.errors import RequestError
from shortlist.funnel.filters.columns import stored, with_rows
from shortlist.funnel.filters.evaluate import kept
from shortlist.funnel.filters.parse import MOST_CHARACTERS, MOST_DEPTH, parse

ROWS: list[dict[str, Any]] = [
    {"category": "tea", "price": 1.5, "stock": 3, "in_stock": True, "genres": ["Comedy", "Drama"], "sizes": [1, 2]},
    {"category": "coffee", "price": 20.0, "stock": 0, "in_stock": False, "genres": ["Drama"], "sizes": []},
    {"category": None, "price": None, "stock": None, "in_stock": None, "genres": None, "sizes": None},
    {"category": "Coffee's", "price": -3.0, "stock": 2**60, "in_stock": True, "genres": [], "sizes": [7]},
    {"category": "", "price": float("nan"), "stock": -5, "in_stock": False, "genres": ['a "b"'], "sizes": [2, 2]},
]
NAMES = list(ROWS[0])


def batch() -> pa.RecordBatch:
    return pa.record_batch({name: stored(pa.array([row[name] for row in ROWS])) for name in NAMES})


def keeps(text: str) -> list[int]:
    return np.flatnonzero(kept(parse(text), batch(), text)).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('category = "coffee"', [1]),
        ("category = 'coffee'", [1]),
        ('category != "coffee"', [0, 3, 4]),
        ('not category = "coffee"', [0, 2, 3, 4]),
        ('category = "Coffee\'s"', [3]),
        ("category = 'Coffee\\'s'", [3]),
        ('category in ("tea", "coffee", "milk")', [0, 1]),
        ('category < "d" and category != ""', [1, 3]),
        ("price < 20", [0, 3]),
        ("price <= 20.0", [0, 1, 3]),
        ("price>=-3 AND price<2", [0, 3]),
        ("price is missing", [2, 4]),
        ("price is not missing", [0, 1, 3]),
        ("not price < 20", [1, 2, 4]),
        ("stock > 1e17", [3]),
        ("stock < 99999999999999999999999", [0, 1, 3, 4]),
        ("stock = 2.5", []),
        ("in_stock", [0, 3]),
        ("not in_stock", [1, 2, 4]),
        ("in_stock = false", [1, 4]),
        ('genres has "Drama"', [0, 1]),
        ('genres has "a \\"b\\""', [4]),
        ("sizes has 2", [0, 4]),
        ("genres is missing", [2]),
        ('`category` = "tea" or price > 10 and in_stock', [0]),
        ('(category = "tea" or price > 10) and not in_stock', [1]),
    ],
)
def test_a_filter_keeps(text: str, rows: list[int]) -> None:
    assert keeps(text) == rows


def test_times_are_compared_in_utc() -> None:
    days = stored(pa.array([date(2024, 5, 31), None, date(2025, 1, 1)]))
    moments = stored(pa.array([datetime(2024, 5, 31, 6, tzinfo=UTC), None, None]))
    columns = pa.record_batch({"day": days, "at": moments})

    assert kept(parse('day < "2024-06-01"'), columns, "").tolist() == [True, False, False]
    assert kept(parse('at = "2024-05-31T08:00:00+02:00"'), columns, "").tolist() == [True, False, False]


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_the_calendar_is_no_time(edge: str) -> None:
    columns = pa.record_batch({"at": stored(pa.array([datetime(2024, 5, 31, tzinfo=UTC)]))})

    with pytest.raises(RequestError, match="`at` is a time"):
        kept(parse(f'at > "{edge}"'), columns, f'at > "{edge}"')


def test_a_column_of_32_bits_is_compared_in_32_bits() -> None:
    columns = pa.record_batch({"price": stored(pa.array([19.99], pa.float32()))})

    assert kept(parse("price = 19.99"), columns, "").tolist() == [True]


VALUES = {
    "category": st.sampled_from(["tea", "coffee", "", "Coffee's"]),
    "price": st.sampled_from([-3, 1.5, 20, 20.5]),
    "stock": st.sampled_from([-5, 0, 2.5, 3]),
}
SIGNS = ("=", "!=", "<", "<=", ">", ">=")


def conditions() -> st.SearchStrategy[tuple[Any, ...]]:
    compared = st.sampled_from(list(VALUES)).flatmap(
        lambda name: st.tuples(st.just("compare"), st.just(name), st.sampled_from(SIGNS), VALUES[name])
    )
    among = st.sampled_from(list(VALUES)).flatmap(
        lambda name: st.tuples(st.just("in"), st.just(name), st.lists(VALUES[name], min_size=1, max_size=3))
    )
    has = st.tuples(st.just("has"), st.just("genres"), st.sampled_from(["Drama", "Comedy", 'a "b"', "x"]))
    missing = st.tuples(st.just("missing"), st.sampled_from(NAMES))
    return st.one_of(compared, among, has, missing, st.just(("true", "in_stock")))


PREDICATES = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4)),
    ),
    max_leaves=8,
)


def literal(value: Any) -> str:
    return str(value) if not isinstance(value, str) else '"' + value.replace('"', '\\"') + '"'


def text_of(predicate: tuple[Any, ...]) -> str:
    match predicate:
        case ("compare", name, sign, value):
            return f"{name} {sign} {literal(value)}"
        case ("in", name, values):
            return f"{name} in ({', '.join(map(literal, values))})"
        case ("has", name, value):
            return f"{name} has {literal(value)}"
        case ("missing", name):
            return f"{name} is missing"
        case ("not", inner):
            return f"not ({text_of(inner)})"
        case ("and" | "or" as word, parts):
            return f" {word} ".join(f"({text_of(part)})" for part in parts)
        case (_, name):
            return str(name)
    raise AssertionError(predicate)


def is_true(predicate: tuple[Any, ...], row: dict[str, Any]) -> bool:
    if predicate[0] in ("and", "or"):
        return (all if predicate[0] == "and" else any)(is_true(part, row) for part in predicate[1])
    if predicate[0] == "not":
        return not is_true(predicate[1], row)
    value = row[predicate[1]]
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    if predicate[0] == "missing" or is_missing:
        return is_missing and predicate[0] == "missing"
    match predicate:
        case ("compare", _, sign, other):
            return bool(eval(f"a {'==' if sign == '=' else sign} b", {"a": value, "b": other}))  # noqa: S307
        case ("in", _, others):
            return bool(value in others)
        case ("has", _, other):
            return bool(other in value)
    return value is True


@given(PREDICATES)
def test_any_filter_keeps_what_a_naive_evaluation_keeps(predicate: tuple[Any, ...]) -> None:
    assert keeps(text_of(predicate)) == [place for place, row in enumerate(ROWS) if is_true(predicate, row)]


@given(st.text(alphabet="ab=<>!()\"'`,. 12-andornothasismissing\\", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    # Any other error than that of a request fails here.
    with suppress(RequestError):
        keeps(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a column, `not` or `(`, found the end"),
        ("price <", "expected a number, a text in quotes, true or false, found the end"),
        ("price < cheap", 'found `cheap`. Is it text? Write "cheap"'),
        ("price < 2 in_stock", "expected `and`, `or` or the end, found `in_stock`"),
        ("(price < 2", "expected `)`, found the end"),
        ("price == 2", "expected a number"),
        ("price < #", "character 9: expected a column"),
        ('category = "tea', "that nothing closes"),
        ("category in 3", "expected a list in parentheses"),
        ("price is 3", "expected `missing` or `not missing`"),
        ("prize < 3", "character 1: no column is called `prize`. Did you mean `price`?"),
        ('price < "3"', '`price` is a number: expected a number, found "3"'),
        ("category = 3", "`category` is a text: expected a text in quotes, found 3"),
        ("category = true", "found true"),
        ("price = true", "found true"),
        ("in_stock = 1", "expected true or false, found 1"),
        ("in_stock < true", "expected = or !="),
        ("price and in_stock", "`price` is a number"),
        ('genres = "Drama"', "expected `has` and one of them"),
        ("genres has 3", "expected a text in quotes, found 3"),
        ('category has "tea"', "holds one text: expected ="),
        ("not " * (MOST_DEPTH + 1) + "in_stock", f"at most {MOST_DEPTH} levels"),
        ("(" * 500 + "in_stock", f"at most {MOST_DEPTH} levels"),
        ("price < 1 or " * MOST_CHARACTERS + "in_stock", "at most 2,000 characters"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, said: str) -> None:
    with pytest.raises(RequestError) as refused:
        keeps(text)

    assert said in str(refused.value)


def test_new_rows_are_compared_like_the_others() -> None:
    more = with_rows(
        batch(),
        {"category": pa.array(["milk", "tea"]), "genres": pa.array(["Drama|Noir", None]), "stock": pa.array([7, 8])},
        np.array([1, 6], np.int32),
        7,
        {"genres": "|"},
    )

    def rows(text: str) -> list[int]:
        return np.flatnonzero(kept(parse(text), more, text)).tolist()

    assert rows('category = "tea"') == [0, 6]
    assert rows('category in ("coffee", "milk")') == [1]
    assert rows('genres has "Noir"') == [1]
    assert rows('genres has "Drama"') == [0, 1]
    assert rows("stock > 6") == [1, 3, 6]
    assert rows("price is missing") == [1, 2, 4, 5, 6]
