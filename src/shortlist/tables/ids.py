"""Ids: integer columns are int64, everything else is text, and both tables that hold an id agree."""

from __future__ import annotations

from collections.abc import Iterable

import ibis

from shortlist.core.errors import DataError
from shortlist.tables.engine import Engine
from shortlist.tables.numbers import as_number


def id_type(engine: Engine, places: Iterable[tuple[str, ibis.Table, str]]) -> str:
    """`int` when the id is an integer in every (source, table, column) where it stands, else `text`."""
    kinds = [_type(engine, source, table, column) for source, table, column in places]
    return "int" if set(kinds) <= {"int"} else "text"


def id_key(column: ibis.Value, kind: str) -> ibis.Value:
    """The column's ids as int64 or text; null where there is none. Empty text is no id."""
    whole = column.cast("int64") if column.type().is_floating() else column
    return whole.cast("int64") if kind == "int" else whole.cast("string").nullif("")


def _type(engine: Engine, source: str, table: ibis.Table, column: str) -> str:
    kind = table[column].type()
    if kind.is_nested():
        raise DataError(f"{source}: expected ids in the column `{column}`, found {kind}.")
    if kind.is_floating():
        _check_whole(engine, source, table, column)
        return "int"
    return "int" if kind.is_integer() and not kind.is_uint64() else "text"


def _check_whole(engine: Engine, source: str, table: ibis.Table, column: str) -> None:
    """Integers with gaps often come as floats; anything else that is a float is no id."""
    value = table[column].cast("float64")
    number = as_number(value)
    odd = value.notnull() & (number.isnull() | (number % 1 != 0) | (number.abs() >= 2**53))
    examples = engine.to_arrow(table.filter(odd).select(column).limit(1))[column].to_pylist()
    if examples:
        raise DataError(
            f"{source}: expected ids in the column `{column}`, found {examples[0]!r}, which is not a whole number."
        )
