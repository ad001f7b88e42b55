"""Targets: the expressions of a recipe as columns of the log."""

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt

from shortlist.core.errors import DataError, UserError
from shortlist.recipe.targets import TargetSetting
from shortlist.schema import TargetKind
from shortlist.schema.expression import Expression
from shortlist.tables.numbers import as_number


def target_value(name: str, setting: TargetSetting, table: ibis.Table) -> ibis.Value:
    """float64 (booleans as 0 and 1, numbers as they are), of a multi-class target text; null where a row tells none."""
    value = _evaluated(name, setting, table)
    kind = value.type()
    if setting.kind == TargetKind.MULTICLASS:
        if kind.is_nested():
            raise _error(name, setting, table, f"it is {kind}, and a class is a single value")
        return _class(value, kind)
    if not (kind.is_boolean() or kind.is_numeric()):
        classes = '. Classes need their kind: {value = ..., kind = "multiclass"}' if kind.is_string() else ""
        raise _error(name, setting, table, f"it is {kind}, neither true or false nor a number{classes}")
    return as_number(value)


def told_by(setting: TargetSetting) -> tuple[str, ...]:
    """Columns that a target is computed from."""
    return Expression.parse(setting.value).columns()


def _evaluated(name: str, setting: TargetSetting, table: ibis.Table) -> ibis.Value:
    columns = {column: table[column] for column in table.columns}
    try:
        value = Expression.parse(setting.value).evaluate(columns)
        return value if isinstance(value, ibis.Value) else ibis.literal(value)
    except UserError:
        raise
    except Exception as error:
        raise _error(name, setting, table, str(error).splitlines()[0]) from error


def _class(value: ibis.Value, kind: dt.DataType) -> ibis.Value:
    """Its text; null where it is empty, or no number."""
    known = (value.isnan() | value.isinf()).ifelse(None, value) if kind.is_floating() else value
    return known.cast("string").nullif("")


def _error(name: str, setting: TargetSetting, table: ibis.Table, why: str) -> DataError:
    used = [column for column in told_by(setting) if column in table.columns]
    types = ", ".join(f"`{column}` is {table[column].type()}" for column in used)
    told = f" ({types})" if types else ""
    return DataError(f"schema.targets.{name} = {setting.value!r} cannot be computed: {why}{told}.")
