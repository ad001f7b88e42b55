"""Entities: every user or item that a log or its own table knows, in the order of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.schema import Split
from shortlist.tables.audit import EXAMPLES, Audit, Finding
from shortlist.tables.counting import count_where
from shortlist.tables.engine import Engine
from shortlist.tables.names import ITEM, KEY, ROW, SHARD, SPLIT, target
from shortlist.tables.numbers import is_not_finite, rows_where

_TRAIN, _POSITIVE, _LOG, _TABLE = "#train", "#positive", "#log", "#table"


@dataclass(frozen=True, slots=True)
class Entities:
    """All users or all items. The one at place i has row i + 1; row 0 is the unknown one."""

    keys: pa.Array
    """(n,) int64 or string; most training events first, then ascending."""
    train_count: npt.NDArray[np.int64]
    """(n,) training events."""
    positive_count: npt.NDArray[np.int64]
    """(n,) training events whose first target is above 0; all of them when there are no targets."""
    log_count: npt.NDArray[np.int64]
    """(n,) events, those that were held out among them."""

    @property
    def size(self) -> int:
        """1 + how many have a training event: rows below it have an id of their own."""
        return 1 + int(np.count_nonzero(self.train_count))

    def to_arrow(self, shards: npt.NDArray[np.int32] | None = None) -> pa.Table:
        """As a table of `names.KEY` and `names.ROW` (int32), for joins; with `shards` (n,) also of `names.SHARD`."""
        rows = np.arange(1, len(self.keys) + 1, dtype=np.int32)
        return pa.table({KEY: self.keys, ROW: rows, **({} if shards is None else {SHARD: shards})})


@dataclass(frozen=True, slots=True)
class Found:
    """Where entities are looked for."""

    what: str
    """`users` or `items`."""
    column: str
    """Canonical column of the events: `names.USER` or `names.ITEM`."""
    table: ibis.Table | None = None
    """Their own table, with `names.KEY`."""
    source: str = ""
    """Name of that table."""
    is_anonymous: bool = False
    """Whether models know none of them by its id: then it is nothing to note that training has not met one."""


def no_entities() -> Entities:
    """For a log without them."""
    nothing = np.zeros(0, np.int64)
    return Entities(pa.array([], pa.int64()), nothing, nothing, nothing)


def find_entities(engine: Engine, events: ibis.Table, found: Found, has_targets: bool, audit: Audit) -> Entities:
    """Count and order them; DataError when their table has a key twice."""
    counted = _in_log(events, found.column, has_targets)
    if found.table is not None:
        counted = (
            counted.union(_in_table(found.table))
            .group_by(KEY)
            .aggregate(**{name: ibis._[name].sum().cast("int64") for name in (_TRAIN, _POSITIVE, _LOG, _TABLE)})
        )
    rows = engine.to_arrow(counted.order_by(ibis.desc(_TRAIN), KEY))
    keys = rows[KEY].combine_chunks()
    train, log, table = (rows[name].to_numpy() for name in (_TRAIN, _LOG, _TABLE))
    _check_unique(keys, table, found)
    if not found.is_anonymous:
        unmet = (log > 0) & (train == 0)
        audit.add(_finding(f"{found.what} seen only in validation or test", keys, unmet, "unknown to models"))
    if found.table is not None:
        absent = (log > 0) & (table == 0)
        audit.add(_finding(f"{found.what} of the log that are not in {found.source}", keys, absent, "features missing"))
        if found.column == ITEM:
            unmet, done = (table > 0) & (train == 0), "may be recommended, by their features alone"
            audit.add(_finding(f"items of {found.source} without a training event", keys, unmet, done))
    return Entities(keys, train, rows[_POSITIVE].to_numpy(), log)


def audit_table(engine: Engine, table: ibis.Table, found: Found, features: Sequence[str], audit: Audit) -> None:
    """What is wrong in the entities' own table: rows without a key, numbers of features that are not finite."""
    numbers = [name for name in features if table[name].type().is_floating()]
    wrong = [table[KEY].isnull(), *(is_not_finite(table[name]) for name in numbers)]
    _, (without, *odd) = count_where(engine, table, wrong)
    audit.add(Finding(f"rows of {found.source} without an id", without, "dropped"))
    for name, count in zip(numbers, odd, strict=True):
        audit.add(Finding(f"numbers that are not finite in `{name}` of {found.source}", count, "treated as missing"))


def _in_log(events: ibis.Table, column: str, has_targets: bool) -> ibis.Table:
    train = events[SPLIT] == int(Split.TRAIN)
    positive = train & (events[target(0)] > 0) if has_targets else train
    return events.group_by(**{KEY: events[column]}).aggregate(
        **{
            _TRAIN: rows_where(train),
            _POSITIVE: rows_where(positive),
            _LOG: events.count().cast("int64"),
            _TABLE: ibis.literal(0, "int64"),
        }
    )


def _in_table(table: ibis.Table) -> ibis.Table:
    none = {name: ibis.literal(0, "int64") for name in (_TRAIN, _POSITIVE, _LOG)}
    return table.select(KEY, **none, **{_TABLE: ibis.literal(1, "int64")}).filter(ibis._[KEY].notnull())


def _check_unique(keys: pa.Array, in_table: npt.NDArray[np.int64], found: Found) -> None:
    twice = np.flatnonzero(in_table > 1)
    if len(twice):
        examples = ", ".join(f"{keys[i].as_py()!r} ({in_table[i]} rows)" for i in twice[:EXAMPLES])
        raise DataError(
            f"{found.source}: expected one row for each of the {found.what}, found {len(twice):,} keys with several: "
            f"{examples}. Keep one row of each."
        )


def _finding(what: str, keys: pa.Array, where: npt.NDArray[np.bool_], done: str) -> Finding:
    places = np.flatnonzero(where)
    examples = tuple(repr(keys[int(i)].as_py()) for i in places[:EXAMPLES])
    return Finding(what, len(places), done, examples)
