"""How to hold rows out: by a column that says it, by time, or at random."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from shortlist.core.errors import DataError
from shortlist.recipe.split import Split
from shortlist.tables.engine import Engine
from shortlist.tables.names import TIME
from shortlist.tables.propose.roles import Roles
from shortlist.tables.propose.words import Part
from shortlist.tables.splits import hold_out
from shortlist.tables.times import seconds, unit_of

_FIRST_DATE = 10**8
"""Unix seconds of 1973: smaller numbers are no dates, but counted from something else."""
_DAY = 86_400


_VALID = {"valid", "validation", "dev"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingOut:
    """The split to propose."""

    kind: Literal["time", "column", "random"]
    why: str
    column: str | None = None
    """A column of the log that says train and test, whether the split goes by it or not: it is no feature."""
    times: str = ""
    """What the times span, for people."""
    is_calendar: bool = False
    """Whether the times are dates, whose hours and weekdays mean something."""


def choose_split(engine: Engine, roles: Roles) -> HoldingOut:
    """A column that says it, else time where there is one, else at random."""
    column, labels = _split_column(engine, roles)
    low, high = _span(engine, roles) if roles.timestamp else (0, 0)
    is_calendar = low >= _FIRST_DATE
    times = _months(low, high) if is_calendar else f"{low:,} to {high:,}"

    def chosen(kind: Literal["time", "column", "random"], why: str) -> HoldingOut:
        return HoldingOut(kind=kind, why=why, column=column, times=times, is_calendar=is_calendar)

    if column and labels & _VALID:
        return chosen("column", f"by the column `{column}`: {', '.join(sorted(labels))}")
    note = f"; `{column}` names no validation rows, so it cannot be used" if column else ""
    if not roles.timestamp:
        return chosen("random", f"at random, 80/10/10: there is no time to go by{note}")
    try:
        valid_from, test_from = _boundaries(engine, roles, Split())
    except DataError as error:
        return chosen("random", f"at random, 80/10/10: {str(error).splitlines()[0]}{note}")
    places = " / ".join(_date(at, high - low) if is_calendar else f"{at:,}" for at in (valid_from, test_from))
    return chosen("time", f"at {places} (80/10/10 by time){note}")


def _split_column(engine: Engine, roles: Roles) -> tuple[str | None, set[str]]:
    """A column that says train and test, nothing that means neither, and its labels."""
    table = roles.log.table
    for column in roles.log.named(Part.SPLIT):
        found = roles.log.columns[column]
        if found.type == "text" and found.nulls == 0 and found.distinct <= len(_VALID) + 2:
            values = engine.to_arrow(table.select(column).distinct())[column].to_pylist()
            labels = {str(value).strip().lower() for value in values}
            if {"train", "test"} <= labels <= {"train", "test", *_VALID}:
                return column, labels
    return None, set()


def _span(engine: Engine, roles: Roles) -> tuple[int, int]:
    """First and last time; DataError when nothing in the column is a time."""
    table = roles.log.table
    time = seconds(table[roles.timestamp], unit_of(engine, table, roles.timestamp or ""))
    facts = engine.to_arrow(table.aggregate(low=time.min(), high=time.max())).to_pylist()[0]
    if facts["low"] is None:
        shown = engine.to_arrow(table.select(roles.timestamp).limit(1))[roles.timestamp].to_pylist()
        raise DataError(
            f"{roles.log.name}: no value of `{roles.timestamp}` can be read as a time, such as {shown[0]!r}. Expected "
            "seconds, milliseconds or microseconds since 1970, dates, or ISO 8601 text like 2024-05-31 06:53."
        )
    return facts["low"], facts["high"]


def _boundaries(engine: Engine, roles: Roles, settings: Split) -> tuple[int, int]:
    table = roles.log.table
    time = seconds(table[roles.timestamp], unit_of(engine, table, roles.timestamp or ""))
    held = hold_out(engine, table.select(**{TIME: time}).filter(time.notnull()), settings, seed=0)
    assert held.valid_from is not None
    assert held.test_from is not None
    return held.valid_from, held.test_from


def _months(low: int, high: int) -> str:
    first, last = (datetime.fromtimestamp(at, UTC) for at in (low, high))
    if high - low < 62 * _DAY:
        return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return f"{first:%Y-%m} to {last:%Y-%m}"


def _date(at: int, span: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%d}" if span > 30 * _DAY else f"{moment:%Y-%m-%d %H:%M}"
