"""Canonical events: the columns of a log by the parts they play, checked and cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import ibis

from shortlist.core.errors import DataError
from shortlist.recipe.sections import Schema
from shortlist.tables.audit import Audit, Finding, example_rows
from shortlist.tables.counting import count_rows, count_where
from shortlist.tables.engine import Engine
from shortlist.tables.hashing import row_hash
from shortlist.tables.ids import id_key
from shortlist.tables.names import GROUP, ITEM, LABEL, SOURCE, TIME, USER, WEIGHT, target
from shortlist.tables.numbers import as_number, is_not_finite
from shortlist.tables.targets import target_value, told_by
from shortlist.tables.times import seconds

_DAY = 86_400
_MARK, _COPIES = "#mark", "#copies"


@dataclass(frozen=True)
class Log:
    """An interaction table and what the recipe says of its columns."""

    source: str
    table: ibis.Table
    """With `names.SOURCE`."""
    roles: Schema
    id_types: Mapping[str, str]
    """`user`, `item` and `group` -> `int` or `text`."""
    time_unit: float
    """Units of the timestamp in a second."""
    context: tuple[str, ...] = ()
    """Source columns of the features of an event: of its context, and of the past that it will be."""
    label: str | None = None
    """Column that says which part a row is held out for."""

    @cached_property
    def canonical(self) -> ibis.Table:
        """The source's columns with the canonical ones beside them."""
        table, roles = self.table, self.roles
        added: dict[str, ibis.Value] = {}
        if roles.user_column:
            added[USER] = id_key(table[roles.user_column], self.id_types["user"])
        if roles.item_id:
            added[ITEM] = id_key(table[roles.item_id], self.id_types["item"])
        if roles.group:
            added[GROUP] = id_key(table[roles.group], self.id_types["group"])
        added[TIME] = seconds(table[roles.timestamp], self.time_unit) if roles.timestamp else ibis.literal(0, "int64")
        for place, (name, setting) in enumerate(roles.targets.items()):
            added[target(place)] = target_value(name, setting, table)
        if roles.weight:
            weight = as_number(table[roles.weight])
            added[WEIGHT] = ibis.coalesce((weight >= 0).ifelse(weight, None), 1.0)
        if self.label:
            added[LABEL] = table[self.label].cast("string").strip().lower()
        return table.mutate(**added)

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """Names of the columns that later steps need, `names.SOURCE` first."""
        added = [name for name in self.canonical.columns if name not in self.table.columns]
        return tuple(dict.fromkeys([SOURCE, *added, *self.context]))


def clean(engine: Engine, log: Log, now: float, audit: Audit) -> ibis.Table:
    """The log's usable rows with the columns `log.kept`. DataError when none is left.

    Rows that lack an id, a group, every target or a time, or lie in the future (`now` in Unix seconds), are dropped. Of
    equal rows with a time one is kept, and the rows are cached; in a log without times they are impressions, which
    repeat.
    """
    dropped = _reasons_to_drop(log, now)
    noted = _worth_a_note(log)
    mixed = _numbers_in_text_ids(log)
    table = log.canonical
    wrong = {**dropped, **noted}
    conditions = [condition for condition, _ in [*wrong.values(), *mixed.values()]]
    whole = [~condition.fill_null(False) for condition, _ in dropped.values()]
    usable = ibis.and_(*whole) if whole else ibis.literal(True)
    audit.rows_read, (audit.rows_kept, *counts) = count_where(engine, table, [usable, *conditions])
    for (what, (condition, column)), count in zip(wrong.items(), counts, strict=False):
        if count:
            examples = example_rows(engine, table.filter(condition), SOURCE, _shown(log, column))
            audit.add(Finding(what, count, "dropped" if what in dropped else "treated as missing", examples))
    for (what, (condition, column)), count in zip(mixed.items(), counts[len(wrong) :], strict=True):
        if 0 < count < audit.rows_read:
            examples = example_rows(engine, table.filter(condition), SOURCE, [column])
            audit.add(Finding(what, count, "taken as text, like the rest", examples))
    if audit.rows_kept == 0:
        raise DataError(f"{log.source}: no usable row is left of {audit.rows_read:,}.\n" + "\n".join(audit.lines()))
    kept = (table.filter(whole) if whole else table).select(*log.kept)
    return _without_copies(engine, log, kept, audit) if log.roles.timestamp else kept


def _numbers_in_text_ids(log: Log) -> dict[str, tuple[ibis.Value, str]]:
    """Numbers among text ids: they are taken as text, so 17 and "17" are one id, which the owner should know.

    A comparison with the first digits is far cheaper than the pattern, and leaves few texts to it.
    """
    table = log.canonical
    mixed = {}
    for column, name in ((USER, log.roles.user_column), (ITEM, log.roles.item_id)):
        if name is not None and table[column].type().is_string():
            text = table[column]
            digit_first = (text >= "0") & (text < ":")
            number = digit_first.ifelse(text.re_search("^[0-9]+$"), False).fill_null(False)
            mixed[f"numbers among the text ids of `{name}`"] = (number, name)
    return mixed


def _without_copies(engine: Engine, log: Log, usable: ibis.Table, audit: Audit) -> ibis.Table:
    """Rows are grouped by one hash first: only those that share it with another may be equal."""
    facts = [name for name in log.kept if name != SOURCE]
    marked = engine.cache("usable", usable.mutate(**{_MARK: row_hash(usable, facts, engine.hash_function)}))
    shared = marked.group_by(_MARK).aggregate(n=marked.count()).filter(ibis._["n"] > 1).select(_MARK)
    shared = engine.cache("shared", shared)
    if count_rows(engine, shared) == 0:
        return marked.drop(_MARK)
    alike = marked.semi_join(shared, _MARK).group_by(facts)
    merged = engine.cache("merged", alike.aggregate(**{SOURCE: ibis._[SOURCE].min(), _COPIES: ibis._.count()}))
    _note_copies(engine, log, merged, audit)
    alone = marked.anti_join(shared, _MARK)
    return engine.cache("events", alone.select(*log.kept).union(merged.select(*log.kept)))


def _note_copies(engine: Engine, log: Log, merged: ibis.Table, audit: Audit) -> None:
    repeated = merged.filter(merged[_COPIES] > 1)
    copies = engine.to_arrow(repeated.aggregate(n=ibis.coalesce((repeated[_COPIES] - 1).sum(), 0).cast("int64")))
    if count := copies["n"][0].as_py():
        audit.rows_kept -= count
        shown = [name for name in log.kept if name in (USER, ITEM, TIME)]
        examples = example_rows(engine, repeated, SOURCE, shown)
        audit.add(Finding("rows that repeat another one exactly", count, "dropped", examples))


def _reasons_to_drop(log: Log, now: float) -> dict[str, tuple[ibis.Value, str]]:
    """What is wrong -> where, and the source column to show."""
    table, roles = log.canonical, log.roles
    reasons: dict[str, tuple[ibis.Value, str]] = {}
    if roles.user_column:
        what = "rows without a user id" if roles.user_id else "rows without a session id"
        reasons[what] = (table[USER].isnull(), roles.user_column)
    if roles.item_id:
        reasons["rows without an item id"] = (table[ITEM].isnull(), roles.item_id)
    if roles.group:
        reasons["rows without a group"] = (table[GROUP].isnull(), roles.group)
    if roles.timestamp:
        reasons["rows whose time cannot be read"] = (table[TIME].isnull(), roles.timestamp)
        reasons["rows with a time in the future"] = (table[TIME] > int(now) + _DAY, roles.timestamp)
    if roles.targets:
        name, *others = roles.targets
        what = "rows without any target" if others else f"rows without the target `{name}`"
        reasons[what] = (_tells_nothing(log), _first_column(log, name))
    return reasons


def _tells_nothing(log: Log) -> ibis.Value:
    """Where every target is missing."""
    return ibis.and_(*(log.canonical[target(place)].isnull() for place in range(len(log.roles.targets))))


def _first_column(log: Log, name: str) -> str:
    """A column to show for a target."""
    return next(iter(told_by(log.roles.targets[name])), SOURCE)


def _worth_a_note(log: Log) -> dict[str, tuple[ibis.Value, str]]:
    table = log.canonical
    notes = {
        f"numbers that are not finite in `{name}`": (is_not_finite(table[name]), name)
        for name in log.context
        if table[name].type().is_floating()
    }
    if len(log.roles.targets) > 1:
        tells = ~_tells_nothing(log)
        for place, name in enumerate(log.roles.targets):
            notes[f"rows that do not tell `{name}`"] = (
                table[target(place)].isnull() & tells,
                _first_column(log, name),
            )
    if log.roles.weight:
        weight = as_number(table[log.roles.weight])
        notes["rows without a weight of 0 or more (they weigh 1)"] = (weight.isnull() | (weight < 0), log.roles.weight)
    return notes


def _shown(log: Log, column: str) -> list[str]:
    roles = log.roles
    return [name for name in (roles.user_column, roles.item_id, roles.timestamp, column) if name and name != SOURCE]
