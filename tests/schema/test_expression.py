"""Expressions: the grammar, what it refuses, and equal values on numpy, single values and engine columns."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.schema.expression import Expression, ExpressionError
from shortlist.tables.duckdb import DuckDB

ROWS: dict[str, list[Any]] = {
    "rating": [1, 3, 4, 5],
    "price": [5.0, 25.0, 15.0, 8.0],
    "event": ["view", "purchase", "cart", "purchase"],
}
CASES = [
    ("rating >= 4", [False, False, True, True]),
    ("rating > 1 and rating < 5", [False, True, True, False]),
    ("1 < rating <= 4", [False, True, True, False]),
    ('event == "purchase" and price < 20', [False, False, False, True]),
    ('event in ("cart", "purchase")', [False, True, True, True]),
    ('event not in ["view"]', [False, True, True, True]),
    ("not rating >= 4", [True, True, False, False]),
    ('rating == 1 or event == "cart"', [True, False, True, False]),
    ("rating != 3", [True, False, True, True]),
    ("price * 2 - rating / 2 > 20", [False, True, True, False]),
    ("rating % 2 == 1", [True, True, False, True]),
    ("-rating + 3 < 0", [False, False, True, True]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_on_numpy_columns(text: str, expected: list[bool]) -> None:
    columns = {name: np.array(values) for name, values in ROWS.items()}

    assert Expression.parse(text).evaluate(columns).tolist() == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_on_single_values(text: str, expected: list[bool]) -> None:
    expression = Expression.parse(text)

    assert [bool(expression.evaluate({name: values[i] for name, values in ROWS.items()})) for i in range(4)] == expected


def test_on_engine_columns(tmp_path: Path) -> None:
    with contextlib.closing(DuckDB(1, tmp_path)) as engine:
        table = engine.table("log", pa.table(ROWS))
        cases = {f"case{i}": Expression.parse(text).evaluate(table) for i, (text, _) in enumerate(CASES)}
        answers = engine.to_arrow(table.select(**cases))

    for i, (text, expected) in enumerate(CASES):
        assert answers.column(f"case{i}").to_pylist() == expected, text


def test_columns_are_named_once_in_their_order() -> None:
    assert Expression.parse("b > 1 and a < b and c in (1, 2)").columns() == ("b", "a", "c")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("__import__('os').system('true')", "Call"),
        ("rating.real", "Attribute"),
        ("rows[0]", "Subscript"),
        ("[r for r in rating]", "ListComp"),
        ("lambda: 1", "Lambda"),
        ("(a := 1)", "NamedExpr"),
        ("1 if rating else 2", "IfExp"),
        ('f"{rating}"', "JoinedStr"),
        ("rating ** 9", "Pow"),
        ("rating // 2", "FloorDiv"),
        ("rating is None", "Is"),
        ("{1: 2}", "Dict"),
        ("~rating", "Invert"),
    ],
)
def test_anything_else_is_refused(text: str, found: str) -> None:
    with pytest.raises(ExpressionError, match=f"may use comparisons.*; found {found}"):
        Expression.parse(text)


@pytest.mark.parametrize("text", ["", "rating >=", "rating = 4", "import os", "a; b", "(" * 300 + "1" + ")" * 300])
def test_what_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(ExpressionError, match="cannot read the expression"):
        Expression.parse(text)


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    with pytest.raises(ExpressionError, match=r"names the column `ratng`, which is not there. Did you mean `rating`\?"):
        Expression.parse("ratng >= 4").evaluate(ROWS)


@pytest.mark.parametrize(
    "text", ["rating in ()", "rating in price", 'event in "purchase"', "rating == (1, 2)", "(rating, price)", "[] == 1"]
)
def test_in_and_nothing_else_takes_a_list(text: str) -> None:
    with pytest.raises(ExpressionError, match="`in` and nothing else takes a list"):
        Expression.parse(text)


def test_conditions_on_numbers_ask_whether_they_are_not_zero() -> None:
    columns = {"clicked": np.array([0, 1, 2]), "price": np.array([1.0, 0.0, 3.0])}

    assert Expression.parse("not clicked").evaluate(columns).tolist() == [True, False, False]
    assert Expression.parse("clicked and price").evaluate(columns).tolist() == [False, False, True]
    assert Expression.parse("clicked or price > 2").evaluate(columns).tolist() == [False, True, True]
