"""Splits: which events are learned from, chosen on, and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import ibis
import numpy as np

from shortlist.core.errors import DataError
from shortlist.recipe.split import Split as Settings
from shortlist.schema import Split
from shortlist.tables.engine import Engine
from shortlist.tables.hashing import PRIME, pseudo_random
from shortlist.tables.names import LABEL, SOURCE, SPLIT, TIME, USER

_BINS = 65_536
_LABELS = {
    "train": Split.TRAIN,
    "valid": Split.VALID,
    "validation": Split.VALID,
    "dev": Split.VALID,
    "test": Split.TEST,
}
_HOW_TO_CHANGE = {
    "time": 'Change split.valid and split.test, or choose split.kind = "random".',
    "leave_one_out": 'It needs users with three events or more: choose split.kind = "time" or "random".',
    "column": "Change what says the parts, or choose another split.kind.",
    "random": "Change split.valid and split.test.",
}


@dataclass(frozen=True, slots=True)
class Held:
    """Events with their part, and how many each part has."""

    events: ibis.Table
    """With `names.SPLIT`."""
    rows: dict[str, int]
    """`train`, `valid`, `test` -> rows."""
    valid_from: int | None = None
    """Unix seconds of the first moment after train, for a split by time."""
    test_from: int | None = None
    cut: bool = False
    """Whether validation was cut from what was given as train."""

    def lines(self) -> list[str]:
        """For a person."""
        since = {"valid": _date(self.valid_from), "test": _date(self.test_from)}
        counts = ", ".join(f"{name} {count:,}{since.get(name, '')}" for name, count in self.rows.items())
        cut = ["no row is given for validation: it was cut from train, a share of split.valid"] if self.cut else []
        warning = ["no row is held out for validation: models cannot tell their best epoch"]
        return [f"split: {counts}", *cut, *(warning if not self.rows["valid"] else [])]


def _date(moment: int | None) -> str:
    return "" if moment is None else f" from {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"


def check_split(split: Settings, has_users: bool, has_time: bool) -> None:
    """DataError when the log lacks what the split goes by."""
    if split.kind in ("time", "leave_one_out") and not has_time:
        raise DataError(
            f"split.kind = {split.kind!r} needs times, and schema.timestamp names no column. Name one, or choose "
            'split.kind = "column" (a column says train, valid or test) or "random".'
        )
    if split.requests == "event" and not (has_users and has_time):
        raise DataError(
            'split.requests = "event" asks for what follows a user\'s earlier events, and schema names no user or no '
            'timestamp. Name both, or choose split.requests = "user".'
        )
    if split.kind == "leave_one_out" and not has_users:
        raise DataError(
            'split.kind = "leave_one_out" needs users, and [schema] names no user_id or session_id. Choose "time" or '
            '"random".'
        )


def hold_out(engine: Engine, events: ibis.Table, split: Settings, seed: int, *, has_time: bool = True) -> Held:
    """Assign each event its part; DataError when train or test would be empty.

    Where a column says the parts and none is validation, that is cut from train: the last rows where there are times
    (`has_time`), and random ones where there are none.
    """
    valid_from = test_from = None
    cut = False
    if split.kind == "time":
        valid_from, test_from = _first_of_last(engine, events, [split.valid + split.test, split.test])
        part = ibis.cases((events[TIME] >= test_from, 2), (events[TIME] >= valid_from, 1), else_=0)
    elif split.kind == "leave_one_out":
        part = _last_two(events, seed)
    elif split.kind == "column":
        part, valid_from, cut = _as_told(engine, events, split, seed, has_time)
    else:
        draw = _drawn(events, seed)
        in_test, in_valid = int(split.test * PRIME), int((split.test + split.valid) * PRIME)
        part = ibis.cases((draw < in_test, 2), (draw < in_valid, 1), else_=0)
    if split.valid == 0:
        part, valid_from, cut = (part == int(Split.VALID)).ifelse(int(Split.TRAIN), part), None, False
    held = events.mutate(**{SPLIT: part.cast("int8")})
    if split.kind != "time":
        held = engine.cache("held", held)
    return Held(held, _rows(engine, held, split.kind), valid_from, test_from, cut)


def _drawn(events: ibis.Table, seed: int) -> ibis.Value:
    return pseudo_random(events[SOURCE], seed=seed)


def _rows(engine: Engine, held: ibis.Table, kind: str) -> dict[str, int]:
    counted = engine.to_arrow(held.group_by(SPLIT).aggregate(n=held.count()))
    by_part = dict(zip(counted[SPLIT].to_pylist(), counted["n"].to_pylist(), strict=True))
    rows = {part.name.lower(): int(by_part.get(part, 0)) for part in Split}
    if not (rows["train"] and rows["test"]):
        counts = ", ".join(f"{name} {count:,}" for name, count in rows.items())
        raise DataError(
            f"split.kind = {kind!r} leaves no row for {'test' if rows['train'] else 'train'}: {counts}. "
            + _HOW_TO_CHANGE[kind]
        )
    return rows


def _first_of_last(engine: Engine, events: ibis.Table, shares: Sequence[float]) -> list[int]:
    """First moment of the last share of the events, for each share: events of the same moment stay together in it."""
    times = events.select(TIME)
    facts = engine.to_arrow(
        times.aggregate(n=times.count(), low=times[TIME].min(), high=times[TIME].max())
    ).to_pylist()[0]
    rows = facts["n"]
    ranks = [min(max(rows - round(rows * share), 0), rows - 1) for share in shares]
    return [_order_statistic(engine, times, rank, facts["low"], facts["high"]) for rank in ranks]


def _order_statistic(engine: Engine, times: ibis.Table, rank: int, low: int, high: int) -> int:
    """The time at place `rank` of the ascending order, between `low` and `high`: counted in bins that grow narrower."""
    while low < high:
        width = -(-(high - low + 1) // _BINS)
        inside = times.filter(times[TIME].between(low, high))
        place = ((inside[TIME] - low) // width).cast("int64")
        bins = engine.to_arrow(inside.group_by(bin=place).aggregate(n=inside.count()).order_by("bin"))
        upto = np.cumsum(bins["n"].to_numpy())
        found = int(np.searchsorted(upto, rank, side="right"))
        rank -= int(upto[found - 1]) if found else 0
        low += int(bins["bin"][found].as_py()) * width
        high = min(high, low + width - 1)
    return low


def _last_two(events: ibis.Table, seed: int) -> ibis.Value:
    """A user's last event is test, the one before validation; a user with fewer than three is all train."""
    latest_first = [ibis.desc(events[TIME]), pseudo_random(events[SOURCE], seed=seed), events[SOURCE]]
    place = ibis.row_number().over(group_by=events[USER], order_by=latest_first)
    count = events.count().over(group_by=events[USER])
    return ibis.cases((count < 3, 0), (place == 0, 2), (place == 1, 1), else_=0)


def _as_told(
    engine: Engine, events: ibis.Table, split: Settings, seed: int, has_time: bool
) -> tuple[ibis.Value, int | None, bool]:
    """Each row's part; where validation was cut from train, that it was, and its first moment if there are times."""
    part, found = _labelled(engine, events, split.column)
    if Split.VALID in found or Split.TRAIN not in found:
        return part, None, False
    in_train = part == int(Split.TRAIN)
    if has_time:
        (valid_from,) = _first_of_last(engine, events.filter(in_train), [split.valid])
        return (in_train & (events[TIME] >= valid_from)).ifelse(int(Split.VALID), part), valid_from, True
    drawn = _drawn(events, seed) < int(split.valid * PRIME)
    return (in_train & drawn).ifelse(int(Split.VALID), part), None, True


def _labelled(engine: Engine, events: ibis.Table, column: str) -> tuple[ibis.Value, set[Split]]:
    """Each row's part, and the parts that there are."""
    found = engine.to_arrow(events.group_by(LABEL).aggregate(n=events.count()).order_by(ibis.desc("n"), LABEL))
    labels = dict(zip(found[LABEL].to_pylist(), found["n"].to_pylist(), strict=True))
    if strange := {label: count for label, count in labels.items() if label not in _LABELS}:
        listed = ", ".join(f"{label!r} in {count:,} rows" for label, count in list(strange.items())[:10])
        raise DataError(f"split.column = {column!r}: expected {', '.join(_LABELS)} in every row, found {listed}.")
    part = ibis.cases(*((events[LABEL] == label, int(part)) for label, part in _LABELS.items()), else_=0)
    return part, {_LABELS[label] for label in labels}
