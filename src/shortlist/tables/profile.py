"""Profiles: what is in the columns of a table, measured before anybody says what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import ibis

from shortlist.tables.engine import Engine
from shortlist.tables.numbers import as_number, rows_where
from shortlist.tables.text import TextLook, look_at

ColumnType = Literal["integer", "float", "text", "boolean", "date", "timestamp", "list", "other"]

_SAMPLE = 10_000
_EXACT_BELOW = 2_000_000
"""Tables with more rows than this get approximate distinct counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column."""

    name: str
    type: ColumnType
    rows: int
    nulls: int
    distinct: int
    """Different values that are not null; in a large table within a few percent. 0 for a list."""
    minimum: Any = None
    """Of finite numbers, dates and times."""
    maximum: Any = None
    mean: float | None = None
    """Of finite numbers."""
    deviation: float | None = None
    is_integer: bool = False
    """Whether every number is whole."""
    examples: tuple[Any, ...] = ()
    """First different values."""
    text: TextLook | None = None
    """How the first values look, for text."""

    @property
    def separator(self) -> str | None:
        """What parts the several values that the text holds, if it does."""
        return self.text.separator if self.text else None

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls


def profile(engine: Engine, table: ibis.Table) -> list[ColumnProfile]:
    """Profile every column of a table, in its order."""
    rows = int(engine.to_arrow(table.aggregate(rows=table.count()))["rows"][0].as_py())
    parts = [part for place in range(len(table.columns)) for part in _parts(table, place, rows).items()]
    facts = engine.to_arrow(table.aggregate(**dict(parts))).to_pylist()[0]
    sample = engine.to_arrow(table.limit(_SAMPLE))
    return [
        _profile(name, column_type(table[name]), rows, place, facts, sample[name].to_pylist())
        for place, name in enumerate(table.columns)
    ]


def column_type(column: ibis.Value) -> ColumnType:
    """The sort of a column, whatever the engine calls it."""
    kind = column.type()
    tests: dict[ColumnType, bool] = {
        "boolean": kind.is_boolean(),
        "integer": kind.is_integer(),
        "float": kind.is_floating() or kind.is_decimal(),
        "text": kind.is_string(),
        "date": kind.is_date(),
        "timestamp": kind.is_timestamp(),
        "list": kind.is_array(),
    }
    return next((name for name, holds in tests.items() if holds), "other")


def _parts(table: ibis.Table, place: int, rows: int) -> dict[str, ibis.Value]:
    """What to aggregate for one column."""
    column = table[table.columns[place]]
    kind = column_type(column)
    parts = {f"nulls_{place}": rows_where(column.isnull())}
    if kind in ("list", "other"):
        return parts
    parts[f"distinct_{place}"] = column.nunique() if rows < _EXACT_BELOW else column.approx_nunique()
    if kind in ("date", "timestamp"):
        parts |= {f"minimum_{place}": column.min(), f"maximum_{place}": column.max()}
    elif kind in ("integer", "float"):
        x = as_number(column)
        low, high = (column.min(), column.max()) if kind == "integer" else (x.min(), x.max())
        parts |= {f"minimum_{place}": low, f"maximum_{place}": high}
        parts |= {f"mean_{place}": x.mean(), f"deviation_{place}": x.std(how="pop")}
        parts[f"fractions_{place}"] = rows_where(x % 1 != 0)
    return parts


def _profile(
    name: str, kind: ColumnType, rows: int, place: int, facts: Mapping[str, Any], sample: list[Any]
) -> ColumnProfile:
    values = [value for value in sample if value is not None]
    fractions = facts.get(f"fractions_{place}")
    return ColumnProfile(
        name=name,
        type=kind,
        rows=rows,
        nulls=facts[f"nulls_{place}"],
        distinct=facts.get(f"distinct_{place}") or 0,
        minimum=facts.get(f"minimum_{place}"),
        maximum=facts.get(f"maximum_{place}"),
        mean=facts.get(f"mean_{place}"),
        deviation=facts.get(f"deviation_{place}"),
        is_integer=kind == "integer" or (fractions == 0 and facts[f"nulls_{place}"] < rows),
        examples=_examples(values),
        text=look_at(values) if kind == "text" else None,
    )


def _examples(values: list[Any], most: int = 5) -> tuple[Any, ...]:
    """A list has no hash, so values are told apart by their text."""
    seen: dict[str, Any] = {}
    for value in values[:1000]:
        seen.setdefault(repr(value), value)
    return tuple(seen.values())[:most]
