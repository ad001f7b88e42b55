"""Counting rows in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import ibis

from shortlist.tables.engine import Engine
from shortlist.tables.numbers import rows_where


def count_rows(engine: Engine, table: ibis.Table) -> int:
    """Rows of the table."""
    return int(engine.to_arrow(table.aggregate(rows=table.count()))["rows"][0].as_py())


def count_where(engine: Engine, table: ibis.Table, conditions: Sequence[ibis.Value]) -> tuple[int, list[int]]:
    """Rows of the table, and of each condition those that fulfil it."""
    parts = {f"c{place}": rows_where(condition) for place, condition in enumerate(conditions)}
    found = engine.to_arrow(table.aggregate(rows=table.count(), **parts)).to_pylist()[0]
    return found["rows"], [found[name] for name in parts]
