"""Features to propose for each side, and what is better left out.

What the log says of an event is known beforehand, as device and place are, or only afterwards, as a dwell time is.
Only the person knows which; where observed rows are negatives too, a column of the second sort gives the answer away.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis

from shortlist.recipe.features import Timestamp
from shortlist.schema import Side
from shortlist.tables.engine import Engine
from shortlist.tables.infer import Inferred, infer_features
from shortlist.tables.propose.facts import Facts
from shortlist.tables.propose.holding_out import HoldingOut
from shortlist.tables.propose.roles import Roles
from shortlist.tables.propose.targets import Targets
from shortlist.tables.propose.words import Part, plays

_FEW = 50
_ROWS_A_VALUE = 20


@dataclass(frozen=True, slots=True)
class Offered:
    """One feature to propose."""

    name: str
    inferred: Inferred
    active: bool = True
    """False: proposed in a comment, for the person to decide."""


def offered_features(engine: Engine, roles: Roles, targets: Targets, split: HoldingOut) -> dict[Side, list[Offered]]:
    """Features of each side that has a table."""
    offered = {Side.CONTEXT: _context(engine, roles, targets, split)}
    if roles.users:
        offered[Side.USER] = _described(roles.users, {roles.user_id})
    if roles.items:
        offered[Side.ITEM] = _described(roles.items, {roles.item_id, roles.title})
    return offered


def _described(facts: Facts, taken: set[str | None]) -> list[Offered]:
    found = infer_features(column for name, column in facts.columns.items() if name not in taken)
    return [Offered(name, inferred) for name, inferred in found.items()]


def _context(engine: Engine, roles: Roles, targets: Targets, split: HoldingOut) -> list[Offered]:
    taken = {roles.user_id, roles.item_id, roles.timestamp, split.column, *targets.columns, *roles.labels}
    free = {name: column for name, column in roles.log.columns.items() if name not in taken}
    certain = targets.kind in ("label", "none")
    offered = [
        Offered(name, _doubted(engine, roles.log, name, inferred, targets), certain)
        for name, inferred in infer_features(free.values()).items()
    ]
    if roles.timestamp and split.is_calendar:
        name = "time" if "time" not in free else roles.timestamp
        inferred = Inferred(Timestamp(column=roles.timestamp), "people want other things at other hours")
        offered.append(Offered(name, inferred))
    return offered


def _doubted(engine: Engine, log: Facts, name: str, inferred: Inferred, targets: Targets) -> Inferred:
    """The feature, unless its name or its values say that it is known only after the event."""
    if inferred.feature is None:
        return inferred
    if plays(name, Part.SESSION):
        return Inferred(None, "the number of a visit")
    if plays(name, Part.OUTCOME):
        return Inferred(None, "known only after the event")
    if any(name.lower().startswith(f"{column.lower()}_") for column in targets.columns):
        return Inferred(None, "its name says that it goes with the target")
    if log.columns[name].distinct <= _FEW and _tells(engine, log, name, targets):
        return Inferred(None, "it tells the target exactly: each of its values goes with one outcome")
    return inferred


def _tells(engine: Engine, log: Facts, name: str, targets: Targets) -> bool:
    """Whether some target is the same in all rows of each value, and each value has rows enough to say so."""
    if targets.kind != "label" or log.rows < _ROWS_A_VALUE * log.columns[name].distinct:
        return False
    return any(
        _is_settled(engine, log.table, name, target.expression)
        for target in targets.chosen
        if target.expression in log.columns
    )


def _is_settled(engine: Engine, table: ibis.Table, name: str, label: str) -> bool:
    number = table[label].cast("int8")
    by_value = table.group_by(name).aggregate(low=number.min(), high=number.max())
    mixed = by_value.filter(by_value.low != by_value.high)
    return bool(engine.to_arrow(mixed.aggregate(n=mixed.count()))["n"][0].as_py() == 0)
