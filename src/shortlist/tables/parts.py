"""Parts: a log that is published as a table for each part of the split, as one table that says which is whose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import ibis.expr.datatypes as dt
from ibis.common.exceptions import IbisTypeError

from shortlist.core.errors import DataError
from shortlist.tables.counting import count_rows
from shortlist.tables.engine import Engine
from shortlist.tables.names import PART, SOURCE


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part of a log."""

    source: str
    """As the recipe names it."""
    table: ibis.Table
    """With `names.SOURCE`."""


def lacking(parts: Mapping[str, Part]) -> dict[str, str]:
    """Columns that not every part has, each with the source of the first part without it."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(name for part in parts.values() for name in part.table.columns):
        without = [part.source for part in parts.values() if name not in part.table.columns]
        if without:
            found[name] = without[0]
    return found


def join_parts(engine: Engine, parts: Mapping[str, Part]) -> ibis.Table:
    """All rows, with the columns that every part has and `names.PART`, counted through in `names.SOURCE`.

    DataError when a part is empty, or when a column is of one type here and of another there.
    """
    left_out, rows = lacking(parts), {name: count_rows(engine, part.table) for name, part in parts.items()}
    for name, count in rows.items():
        if count == 0:
            raise DataError(
                f"data.interactions.{name} = {parts[name].source!r}: expected rows, found the columns only."
            )
    names = [name for name in next(iter(parts.values())).table.columns if name not in left_out]
    types = {name: _common_type(engine, name, parts) for name in names}
    tables, before = [], 0
    for name, part in parts.items():
        columns: dict[str, Any] = {
            column: part.table[column] if part.table[column].type() == kind else part.table[column].cast(kind)
            for column, kind in types.items()
        }
        columns[SOURCE] = (part.table[SOURCE] + before).cast("int64")
        columns[PART] = ibis.literal(name)
        tables.append(part.table.select(**columns))
        before += rows[name]
    return reduce(lambda above, below: above.union(below), tables)


def _common_type(engine: Engine, column: str, parts: Mapping[str, Part]) -> dt.DataType:
    """The narrowest type that holds the values of all parts; a part without a value of the column has no say."""
    types = {part: part.table[column].type() for part in parts.values()}
    if len(set(types.values())) > 1:
        types = {part: kind for part, kind in types.items() if _has_values(engine, part.table[column])} or types
    try:
        if len({kind.is_string() for kind in types.values()}) > 1:
            raise IbisTypeError
        return dt.highest_precedence(types.values())
    except IbisTypeError as error:
        found = ", ".join(f"{kind} in {part.source}" for part, kind in types.items())
        raise DataError(
            f"data.interactions: expected the column `{column}` to be of one type in every part, found {found}. Write "
            "it alike in all of them; Parquet keeps types, text leaves them to be guessed."
        ) from error


def _has_values(engine: Engine, column: ibis.Value) -> bool:
    return not column.type().is_null() and engine.to_arrow(column.count().as_table())[0][0].as_py() > 0
