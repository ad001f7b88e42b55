"""Targets: what in the log says that a user wanted an item."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import ibis

from shortlist.core.errors import DataError
from shortlist.core.suggest import did_you_mean
from shortlist.recipe.targets import is_target_name
from shortlist.schema.expression import Expression
from shortlist.tables.engine import Engine
from shortlist.tables.propose.facts import Facts
from shortlist.tables.propose.roles import Hints, Roles, is_binary
from shortlist.tables.propose.words import STRONGEST_EVENTS, Part, kind_of_event

_MOST_EVENTS = 30
_SHARE_OF_SCALE = 0.7
"""From here on a rating is praise: 4 of 1 to 5, 8 of 1 to 10, as papers on MovieLens have it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to predict."""

    name: str
    expression: str
    rate: float
    """Mean over the log: the share of positives."""
    why: str


@dataclass(frozen=True, slots=True)
class Targets:
    """What to predict."""

    kind: Literal["label", "rating", "event", "given", "none"]
    chosen: tuple[Target, ...] = ()
    others: tuple[Target, ...] = ()
    """Less telling ones, for the person to choose."""
    event: str | None = None
    """Column with the kinds of event that they are computed from."""
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """Columns that targets are computed from: no features."""
        texts = [target.expression for target in (*self.chosen, *self.others)]
        return frozenset(column for text in texts for column in Expression.parse(text).columns())


def find_targets(engine: Engine, roles: Roles, hints: Hints) -> Targets:
    """The given target, else a label, else a rating, else the strongest kind of event; none: every row counts."""
    if hints.target:
        return _given(engine, roles.log, hints.target)
    return (
        _from_labels(engine, roles)
        or _from_rating(engine, roles.log)
        or _from_events(engine, roles.log)
        or Targets("none", notes=("no label, rating or kind of event: every row counts as wanted",))
    )


def _given(engine: Engine, log: Facts, text: str) -> Targets:
    columns = Expression.parse(text).columns()
    for column in columns:
        if column not in log.columns:
            raise DataError(
                f"--target {text!r}: {log.name} has no column `{column}`.{did_you_mean(column, log.columns)}"
            )
    name = text.strip() if is_target_name(text.strip()) else "wanted"
    target = Target(name, text.strip(), _rate(engine, log, text), "as you said")
    alone = columns[0] if len(columns) == 1 and text.strip() == columns[0] else None
    return Targets("label" if alone and is_binary(log, alone) else "given", (target,))


def _from_labels(engine: Engine, roles: Roles) -> Targets | None:
    usable = [name for name in roles.labels if name.isidentifier()]
    if not usable:
        return None
    why = "0 and 1 in the log: negatives are real ones"
    found = [
        Target(name if is_target_name(name) else f"label_{place}", name, _rate(engine, roles.log, name), why)
        for place, name in enumerate(usable, 1)
    ]
    return Targets("label", tuple(found))


def _from_rating(engine: Engine, log: Facts) -> Targets | None:
    for name in log.named(Part.RATING):
        column = log.columns[name]
        if column.type not in ("integer", "float") or not name.isidentifier() or column.minimum == column.maximum:
            continue
        threshold = _threshold(float(column.minimum), float(column.maximum), column.is_integer)
        text = f"{name} >= {threshold:g}"
        rate = _rate(engine, log, text)
        if 0 < rate < 1:
            scale = f"{float(column.minimum):g}..{float(column.maximum):g}"
            return Targets(
                "rating", (Target("liked", text, rate, f"{name} {scale}: from {threshold:g} on it is praise"),)
            )
    return None


def _threshold(low: float, high: float, whole: bool) -> float:
    """The first step of the scale in its upper part; scales with halves have steps of a half."""
    step = 1.0 if whole else 0.5
    return math.ceil((low + _SHARE_OF_SCALE * (high - low)) / step - 1e-9) * step


def _from_events(engine: Engine, log: Facts) -> Targets | None:
    for name in log.named(Part.EVENT):
        column = log.columns[name]
        if column.type != "text" or not 2 <= column.distinct <= _MOST_EVENTS or not name.isidentifier():
            continue
        values: dict[str, list[str]] = {}
        for value in _values(engine, log, name):
            if kind := kind_of_event(value):
                values.setdefault(kind, []).append(value)
        found = [_event_target(engine, log, name, kind, values[kind]) for kind, _ in STRONGEST_EVENTS if kind in values]
        if found:
            return Targets("event", tuple(found[:1]), tuple(found[1:]), event=name)
    return None


def _event_target(engine: Engine, log: Facts, column: str, kind: str, values: list[str]) -> Target:
    quoted = [f'"{value}"' for value in values]
    text = f"{column} == {quoted[0]}" if len(quoted) == 1 else f"{column} in ({', '.join(quoted)})"
    return Target(kind, text, _rate(engine, log, text), f"a kind of `{column}`")


def _values(engine: Engine, log: Facts, column: str) -> list[str]:
    """Different values, the most frequent first; none that would need escapes in an expression."""
    counted = log.table.group_by(column).aggregate(n=log.table.count()).order_by(ibis.desc("n"), column)
    found = engine.to_arrow(counted)[column].to_pylist()
    return [value for value in found if value is not None and not {'"', "\\"} & set(value)]


def _rate(engine: Engine, log: Facts, text: str) -> float:
    """Mean of the target over the rows where it is known."""
    value = Expression.parse(text).evaluate({name: log.table[name] for name in log.columns})
    try:
        kind = value.type()
        number = value.cast("int8").cast("float64") if kind.is_boolean() else value.cast("float64")
        rate = engine.to_arrow(log.table.aggregate(rate=number.mean()))["rate"][0].as_py()
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{log.name}: the target {text!r} cannot be computed: {str(error).splitlines()[0]}") from error
    return float(rate or 0.0)
