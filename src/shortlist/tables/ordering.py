"""Order: several columns to sort by as few integers, which are compared and moved faster than many columns are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import ibis

from shortlist.tables.engine import Engine
from shortlist.tables.numbers import rows_where

_LARGEST = 2**62


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whole numbers from `low` to `high`."""

    low: int
    high: int

    @property
    def size(self) -> int:
        """How many there are."""
        return self.high - self.low + 1


def bounds(engine: Engine, table: ibis.Table, columns: Sequence[str]) -> dict[str, Bounds]:
    """Of each column of numbers without null its bounds; one with fractions is left out."""
    if not columns:
        return {}
    parts: dict[str, ibis.Value] = {}
    for place, name in enumerate(columns):
        column = table[name]
        parts |= {f"low_{place}": column.min(), f"high_{place}": column.max()}
        if column.type().is_floating():
            # Engines take floors as int64, which larger numbers do not fit.
            exact = (column.abs() < 2**53).ifelse(column, 0.5)
            parts[f"odd_{place}"] = rows_where(exact.floor() != exact)
    found = engine.to_arrow(table.aggregate(**parts)).to_pylist()[0]
    return {
        name: Bounds(int(found[f"low_{place}"]), int(found[f"high_{place}"]))
        for place, name in enumerate(columns)
        if found[f"low_{place}"] is not None and not found.get(f"odd_{place}")
    }


def packed(table: ibis.Table, order: Iterable[str], within: Mapping[str, Bounds]) -> dict[str, ibis.Value]:
    """Keys to sort the table by, as it would be sorted by the columns of `order`, one after another, ascending.

    As many columns as an int64 has room for make one key; a column that is not in `within` stays as it is.
    """
    keys: list[ibis.Value] = []
    room = 0
    for name in order:
        known = within.get(name)
        if known is None:
            keys.append(table[name])
            room = 0
            continue
        place = table[name].cast("int64") - known.low
        if known.size <= room:
            keys[-1] = keys[-1] * known.size + place
            room //= known.size
        elif known.size > 1:
            keys.append(place)
            room = _LARGEST // known.size
    return {f"#order.{number}": key for number, key in enumerate(keys)}
