"""Users and items in the order of their rows, and what is wrong with their tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.tables.audit import Audit
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.entities import Entities, Found, audit_table, find_entities
from shortlist.tables.names import ITEM, KEY, SPLIT, USER, target

EVENTS = {
    USER: ["b", "b", "c", "c", "a", "d", "d", "d"],
    SPLIT: pa.array([0, 0, 0, 0, 0, 2, 2, 1], pa.int8()),
    target(0): [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0],
}


def _find(engine: DuckDB, keys: list[Any] | None, has_targets: bool = True) -> tuple[Entities, Audit]:
    events = engine.table("events", pa.table(EVENTS))
    table = None if keys is None else engine.table("users", pa.table({KEY: keys}))
    audit = Audit()
    return find_entities(engine, events, Found("users", USER, table, "users.csv"), has_targets, audit), audit


def test_most_training_events_first_then_ascending(engine: DuckDB) -> None:
    found, audit = _find(engine, None)
    assert found.keys.to_pylist() == ["b", "c", "a", "d"]
    assert found.train_count.tolist() == [2, 2, 1, 0]
    assert found.positive_count.tolist() == [1, 0, 1, 0]
    assert found.size == 4
    assert audit.lines() == ["1 users seen only in validation or test: unknown to models ('d')"]


def test_without_targets_every_training_event_is_positive(engine: DuckDB) -> None:
    found, _ = _find(engine, None, has_targets=False)
    assert found.positive_count.tolist() == [2, 2, 1, 0]


def test_their_own_table_adds_those_without_events(engine: DuckDB) -> None:
    found, audit = _find(engine, ["z", None, "b", "a", None, "d"])
    assert found.keys.to_pylist() == ["b", "c", "a", "d", "z"]
    assert found.size == 4
    assert "1 users of the log that are not in users.csv: features missing ('c')" in audit.lines()


def test_items_that_only_their_table_has_are_noted(engine: DuckDB) -> None:
    """Lists may hold them; what a user's row stands for is nobody's list."""
    events = engine.table("events", pa.table(EVENTS).rename_columns([ITEM, SPLIT, target(0)]))
    table = engine.table("items", pa.table({KEY: ["z", "b", "d", "y", "c", "a", None]}))
    audit = Audit()
    find_entities(engine, events, Found("items", ITEM, table, "items.csv"), True, audit)
    assert audit.lines() == [
        "1 items seen only in validation or test: unknown to models ('d')",
        "3 items of items.csv without a training event: may be recommended, by their features alone ('d'; 'y'; 'z')",
    ]
    assert not any("without a training event" in line for line in _find(engine, ["z", "b"])[1].lines())


def test_a_key_may_not_come_twice(engine: DuckDB) -> None:
    message = r"users\.csv: expected one row .* found 2 keys with several: 'b' \(3 rows\), 'x' \(2 rows\)"
    with pytest.raises(DataError, match=message):
        _find(engine, ["x", "b", "b", "c", "b", "x"])


def test_rows_join_from_one_on(engine: DuckDB) -> None:
    found, _ = _find(engine, None)
    assert found.to_arrow()["#row"].to_pylist() == [1, 2, 3, 4]
    assert found.to_arrow().schema.field("#row").type == pa.int32()


def test_the_tables_own_faults(engine: DuckDB) -> None:
    table = engine.table("users", pa.table({KEY: [1, None], "age": [float("inf"), 3.0], "n": [1, 2]}))
    audit = Audit()
    audit_table(engine, table, Found("users", USER, table, "users.csv"), ["age", "n"], audit)
    assert audit.lines() == [
        "1 rows of users.csv without an id: dropped",
        "1 numbers that are not finite in `age` of users.csv: treated as missing",
    ]
