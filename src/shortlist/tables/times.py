"""Times of any type as Unix seconds."""

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt

from shortlist.core.errors import DataError
from shortlist.tables.counting import count_where
from shortlist.tables.engine import Engine
from shortlist.tables.numbers import as_number

_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From this size on, a time since 1970 is in nanoseconds, microseconds, milliseconds; below them in seconds."""
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""Years 1 to 9999; what lies outside is no time."""


def unit_of(engine: Engine, table: ibis.Table, column: str) -> float:
    """Units in a second of a column of numbers: what most of its values look like; 1 for a column of dates or times."""
    kind = table[column].type()
    if not (kind.is_numeric() or kind.is_string()):
        return 1.0
    size = as_number(table[column]).abs()
    _, (rows, *large) = count_where(engine, table, [size.notnull(), *(size >= least for least, _ in _UNITS)])
    return next((unit for (_, unit), above in zip(_UNITS, large, strict=True) if 2 * above > rows), 1.0)


def seconds(column: ibis.Value, unit: float) -> ibis.Value:
    """int64 Unix seconds; null where the column holds no time. A time without a zone is in UTC."""
    kind = column.type()
    if kind.is_timestamp() or kind.is_date():
        return _since_1970(column)
    if kind.is_numeric() and not kind.is_boolean():
        return _from_number(column, unit)
    if kind.is_string():
        moment = column.try_cast(dt.Timestamp(timezone="UTC"))
        return ibis.coalesce(_from_number(column, unit), _since_1970(moment))
    raise DataError(f"schema.timestamp: expected numbers, dates, times or text, found a column of {kind}.")


def _from_number(column: ibis.Value, unit: float) -> ibis.Value:
    """Checked before it is made whole: what is no time may be too large for an integer."""
    number = as_number(column)
    inside = number.between(_FIRST * unit, _LAST * unit).ifelse(number, None)
    return (inside / unit).floor().cast("int64")


def _since_1970(moment: ibis.Value) -> ibis.Value:
    """ibis takes DuckDB's seconds, which have fractions, for whole ones: hence by way of float64."""
    return moment.cast(dt.Timestamp(timezone="UTC")).epoch_seconds().cast("float64").floor().cast("int64")
