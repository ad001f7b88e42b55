"""Columns of any type as finite numbers."""

from __future__ import annotations

import ibis


def as_number(column: ibis.Value) -> ibis.Value:
    """float64; null where the column holds no finite number. Booleans are 0 and 1, text is read as a number."""
    number = _float(column)
    return number if column.type().is_integer() else (number.isnan() | number.isinf()).ifelse(None, number)


def is_not_finite(column: ibis.Value) -> ibis.Value:
    """Where a number is there, but is NaN or infinite."""
    number = _float(column)
    return (number.isnan() | number.isinf()).fill_null(False)


def rows_where(condition: ibis.Value) -> ibis.Value:
    """int64: how many rows fulfil the condition, 0 among no rows."""
    return condition.ifelse(1, None).count()


def _float(column: ibis.Value) -> ibis.Value:
    kind = column.type()
    if kind.is_boolean():
        return column.cast("int8").cast("float64")
    return column.try_cast("float64") if kind.is_string() else column.cast("float64")
