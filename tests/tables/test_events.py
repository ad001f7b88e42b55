"""Canonical events: what is dropped, noted and computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.recipe.sections import Schema
from shortlist.schema.expression import ExpressionError
from shortlist.tables.audit import Audit
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.events import Log, clean
from shortlist.tables.names import ITEM, LABEL, SOURCE, TIME, USER, WEIGHT, target

NOW = 1_700_000_000.0
ROLES: dict[str, Any] = {"user_id": "user", "item_id": "item", "timestamp": "time"}


def _log(engine: DuckDB, columns: dict[str, Any], roles: dict[str, Any], **more: Any) -> Log:
    rows = len(next(iter(columns.values())))
    table = engine.table("log", pa.table({SOURCE: range(rows), **columns}))
    types = {"user": "int", "item": "text"}
    return Log(source="log.csv", table=table, roles=Schema(**roles), id_types=types, time_unit=1.0, **more)


def _clean(engine: DuckDB, log: Log) -> tuple[list[dict[str, Any]], Audit]:
    audit = Audit()
    events = clean(engine, log, NOW, audit)
    return engine.to_arrow(events.order_by(SOURCE)).to_pylist(), audit


def _found(audit: Audit) -> dict[str, tuple[int, str]]:
    return {finding.what: (finding.count, finding.done) for finding in audit.findings}


def test_columns_by_their_parts(engine: DuckDB) -> None:
    columns = {
        "user": [1, 2],
        "item": ["a", "b"],
        "time": [10, 20],
        "rating": [3, 5],
        "w": [0.5, None],
        "part": ["Train ", "TEST"],
        "device": ["tv", None],
        "other": [0, 0],
    }
    targets = {"liked": "rating >= 4", "stars": "rating / 5", "all": "1"}
    log = _log(engine, columns, {**ROLES, "weight": "w", "targets": targets}, context=("device",), label="part")
    rows, audit = _clean(engine, log)
    assert rows == [
        {SOURCE: 0, USER: 1, ITEM: "a", TIME: 10, target(0): 0.0, target(1): 0.6, target(2): 1.0}
        | {WEIGHT: 0.5, LABEL: "train", "device": "tv"},
        {SOURCE: 1, USER: 2, ITEM: "b", TIME: 20, target(0): 1.0, target(1): 1.0, target(2): 1.0}
        | {WEIGHT: 1.0, LABEL: "test", "device": None},
    ]
    assert _found(audit) == {"rows without a weight of 0 or more (they weigh 1)": (1, "treated as missing")}


def test_what_is_wrong_is_dropped_counted_and_shown(engine: DuckDB) -> None:
    columns = {
        "user": [1, None, 3, 4, 5, 6, None],
        "item": ["a", "b", "", "d", "e", "f", "g"],
        "time": ["10", "20", "30", "soon", "1800000000", "60", "70"],
        "rating": [1.0, 2.0, 3.0, 4.0, 5.0, None, float("nan")],
    }
    log = _log(engine, columns, {**ROLES, "targets": {"liked": "rating >= 4"}})
    rows, audit = _clean(engine, log)
    assert [row[SOURCE] for row in rows] == [0]
    assert (audit.rows_read, audit.rows_kept) == (7, 1)
    assert _found(audit) == {
        "rows without a user id": (2, "dropped"),
        "rows without an item id": (1, "dropped"),
        "rows whose time cannot be read": (1, "dropped"),
        "rows with a time in the future": (1, "dropped"),
        "rows without the target `liked`": (1, "dropped"),
    }
    shown = {finding.what: finding.examples for finding in audit.findings}
    assert shown["rows whose time cannot be read"] == ("row 3: user = 4, item = 'd', time = 'soon'",)
    assert len(shown["rows without a user id"]) == 2
    assert "1 rows with a time in the future: dropped (row 4: " in "\n".join(audit.lines())


def test_at_most_three_examples(engine: DuckDB) -> None:
    columns = {"user": [None] * 9 + [1], "item": list("abcdefghij"), "time": list(range(10))}
    _, audit = _clean(engine, _log(engine, columns, ROLES))
    assert audit.findings[0].count == 9
    assert [text.partition(":")[0] for text in audit.findings[0].examples] == ["row 0", "row 1", "row 2"]


def test_tomorrow_is_not_the_future_for_clocks_disagree(engine: DuckDB) -> None:
    columns = {"user": [1, 1], "item": ["a", "b"], "time": [int(NOW) + 3_600, int(NOW) + 90_000]}
    rows, _ = _clean(engine, _log(engine, columns, ROLES))
    assert [row[ITEM] for row in rows] == ["a"]


def test_repeated_rows_are_dropped_where_there_are_times(engine: DuckDB) -> None:
    """Equal in every column that is used: the unused one does not make them different."""
    columns = {
        "user": [1, 1, 1, 1, 2],
        "item": ["a", "a", "a", "a", "a"],
        "time": [5, 5, 5, 6, 5],
        "device": [None, None, None, None, "tv"],
        "unused": [1, 2, 3, 4, 5],
    }
    rows, audit = _clean(engine, _log(engine, columns, ROLES, context=("device",)))
    assert [row[SOURCE] for row in rows] == [0, 3, 4]
    assert _found(audit) == {"rows that repeat another one exactly": (2, "dropped")}
    assert (audit.rows_read, audit.rows_kept) == (5, 3)


def test_of_equal_rows_the_first_is_kept_whatever_they_hold(engine: DuckDB) -> None:
    """Compared with rows told apart by hand: nulls, NaN, Unicode that looks alike, lists, ties in all but one."""
    random = np.random.default_rng(5)
    rows = 2_000
    choices: dict[str, list[Any]] = {
        "user": [1, 2],
        "item": ["a", "\u00e9", "e\u0301", "\U0001f600"],
        "time": [5, 6, 7],
        "price": [None, float("nan"), 1.5, 1e300, 5e-324],
        "tags": [None, [], ["x"], ["x", "y"], [None]],
        "rating": [0.0, 1.0],
    }
    drawn = {
        name: [values[place] for place in random.integers(len(values), size=rows)] for name, values in choices.items()
    }
    log = _log(engine, drawn, {**ROLES, "targets": {"liked": "rating > 0"}}, context=("price", "tags"))
    kept, audit = _clean(engine, log)
    first: dict[str, int] = {}
    for row in range(rows):
        first.setdefault(repr([drawn[name][row] for name in choices]), row)
    assert [row[SOURCE] for row in kept] == sorted(first.values())
    assert _found(audit)["rows that repeat another one exactly"] == (rows - len(first), "dropped")
    assert (audit.rows_read, audit.rows_kept) == (rows, len(first))
    assert [repr(row["price"]) for row in kept] == [repr(drawn["price"][row[SOURCE]]) for row in kept]


def test_numbers_among_text_ids_are_noted(engine: DuckDB) -> None:
    columns = {"user": [1, 1, 1, 1], "item": ["17", "9a", "a9", "٣"], "time": [1, 2, 3, 4]}
    _, audit = _clean(engine, _log(engine, columns, ROLES))
    (finding,) = audit.findings
    assert finding.line() == "1 numbers among the text ids of `item`: taken as text, like the rest (row 0: item = '17')"
    columns["item"] = ["1", "2", "3", "4"]
    assert _clean(engine, _log(engine, columns, ROLES))[1].findings == []


def test_impressions_without_times_may_repeat(engine: DuckDB) -> None:
    roles = {"targets": {"clicked": "label"}}
    rows, audit = _clean(engine, _log(engine, {"label": [0, 0, 1], "device": ["tv"] * 3}, roles, context=("device",)))
    assert len(rows) == 3
    assert [row[TIME] for row in rows] == [0, 0, 0]
    assert audit.findings == []


def test_numbers_that_are_not_finite_are_noted_and_kept(engine: DuckDB) -> None:
    columns = {"label": [True, False, True], "price": [1.0, float("inf"), float("nan")]}
    rows, audit = _clean(engine, _log(engine, columns, {"targets": {"y": "label"}}, context=("price",)))
    assert [row[target(0)] for row in rows] == [1.0, 0.0, 1.0]
    assert _found(audit) == {"numbers that are not finite in `price`": (2, "treated as missing")}


def test_no_row_left_says_why(engine: DuckDB) -> None:
    columns = {"user": pa.array([None, None], pa.int64()), "item": ["a", "b"], "time": [1, 2]}
    with pytest.raises(DataError, match=r"log\.csv: no usable row is left of 2\.\n2 rows without a user id"):
        _clean(engine, _log(engine, columns, ROLES))


@pytest.mark.parametrize(
    ("expression", "column", "message"),
    [
        ("rating >= 4", ["1", "5"], r"`rating` is string"),
        ("rating", ["1", "5"], "neither true or false nor a number"),
        ("rating - 1", ["1", "5"], r"cannot be computed: .*`rating` is string"),
    ],
)
def test_a_target_that_cannot_be_computed(engine: DuckDB, expression: str, column: list[str], message: str) -> None:
    log = _log(engine, {"rating": column}, {"targets": {"liked": expression}})
    with pytest.raises(DataError, match=message):
        _clean(engine, log)


def test_a_target_over_a_column_that_is_not_there(engine: DuckDB) -> None:
    log = _log(engine, {"rating": [1, 2]}, {"targets": {"liked": "ratings >= 4"}})
    with pytest.raises(ExpressionError, match="Did you mean `rating`"):
        _clean(engine, log)


def test_targets_compare_text_and_combine(engine: DuckDB) -> None:
    columns = {"event": ["view", "purchase", None], "price": [1.0, 30.0, 1.0]}
    targets = {"bought": 'event == "purchase" and not price < 20', "any": 'event in ("view", "purchase")'}
    rows, _ = _clean(engine, _log(engine, columns, {"targets": targets}))
    assert [(row[target(0)], row[target(1)]) for row in rows] == [(0.0, 1.0), (1.0, 1.0), (0.0, None)]


def test_a_row_is_kept_while_it_tells_one_target(engine: DuckDB) -> None:
    nan = float("nan")
    columns = {"click": [1, 0, None, None], "stars": [nan, 2.5, 4.0, nan], "shelf": ["", "b", None, None]}
    targets = {
        "click": "click",
        "stars": {"value": "stars / 5", "kind": "regression"},
        "shelf": {"value": "shelf", "kind": "multiclass"},
    }
    rows, audit = _clean(engine, _log(engine, columns, {"targets": targets}))
    told = [[row[target(place)] for place in range(3)] for row in rows]
    assert told == [[1.0, None, None], [0.0, 0.5, "b"], [None, 0.8, None]]
    assert _found(audit) == {
        "rows without any target": (1, "dropped"),
        "rows that do not tell `click`": (1, "treated as missing"),
        "rows that do not tell `stars`": (1, "treated as missing"),
        "rows that do not tell `shelf`": (2, "treated as missing"),
    }
    shown = {finding.what: finding.examples for finding in audit.findings}
    assert shown["rows that do not tell `click`"] == ("row 2: click = None",)


def test_a_class_is_the_text_of_any_single_value(engine: DuckDB) -> None:
    columns = {"grade": [1, 2, 1], "share": [0.5, float("inf"), 2.0], "known": [True, None, False]}
    targets = {name: {"value": name, "kind": "multiclass"} for name in columns}
    rows, _ = _clean(engine, _log(engine, columns, {"targets": targets}))
    told = [[row[target(place)] for place in range(3)] for row in rows]
    assert told == [["1", "0.5", "true"], ["2", None, None], ["1", "2.0", "false"]]


def test_a_class_that_is_several_values_is_refused(engine: DuckDB) -> None:
    targets = {"tag": {"value": "tags", "kind": "multiclass"}}
    with pytest.raises(DataError, match=r"schema\.targets\.tag = 'tags' .*a class is a single value \(`tags` is array"):
        _clean(engine, _log(engine, {"tags": [["a"], ["b", "c"]]}, {"targets": targets}))
