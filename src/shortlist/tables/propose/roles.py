"""Roles: which table is the log, which describes users or items, and which columns are ids and times.

Names of columns come first; then what the values say: a key is unique in the table that it describes, and comes
back many times in the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shortlist.core.errors import DataError
from shortlist.core.suggest import did_you_mean
from shortlist.schema.expression import Expression
from shortlist.tables.propose.facts import Facts
from shortlist.tables.propose.words import ITEM_TABLES, USER_TABLES, Part, is_label, is_title


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the person says, and need not be guessed."""

    user_id: str | None = None
    item_id: str | None = None
    timestamp: str | None = None
    target: str | None = None
    """An expression, or the name of a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Who plays which part."""

    log: Facts
    users: Facts | None = None
    items: Facts | None = None
    user_id: str | None = None
    item_id: str | None = None
    session: bool = False
    """Whether the users are sessions."""
    timestamp: str | None = None
    title: str | None = None
    labels: tuple[str, ...] = ()
    """Columns of the log that hold real negatives beside positives, as 0 and 1."""
    unused: tuple[tuple[Facts, str], ...] = ()
    """Tables without a part, and why."""


@dataclass(frozen=True, slots=True)
class _Ids:
    user: str | None
    item: str | None
    session: bool = False


def find_roles(tables: Sequence[Facts], hints: Hints) -> Roles:
    """Who plays which part; DataError that lists the columns when no table looks like a log."""
    _check_hints(tables, hints)
    ids = {facts.source: _ids(facts, tables, hints) for facts in tables}
    logs = [facts for facts in tables if _is_log(facts, ids[facts.source], hints)]
    if not logs:
        raise DataError(_nothing_recognised(tables))
    log = max(logs, key=lambda facts: _likeness(facts, ids[facts.source]))
    found = ids[log.source]
    labels = _labels(log)
    if not _has_both(found):
        found = _Ids(None, None)
    users = _described_by(tables, log, found.user)
    items = _described_by(tables, log, found.item)
    return Roles(
        log=log,
        users=users,
        items=items,
        user_id=found.user,
        item_id=found.item,
        session=found.session,
        timestamp=hints.timestamp or _timestamp(log),
        title=_title(items) if items else None,
        labels=labels,
        unused=tuple(_unused(tables, log, users, items, found)),
    )


def _check_hints(tables: Sequence[Facts], hints: Hints) -> None:
    everywhere = {column for facts in tables for column in facts.columns}
    for option, column in (
        ("--user-id", hints.user_id),
        ("--item-id", hints.item_id),
        ("--timestamp", hints.timestamp),
    ):
        if column is not None and column not in everywhere:
            raise DataError(f"{option} {column}: no table has a column `{column}`.{did_you_mean(column, everywhere)}")


def _ids(facts: Facts, tables: Sequence[Facts], hints: Hints) -> _Ids:
    user = _said(facts, hints.user_id) or _best(facts, tables, Part.USER) or _shared_key(facts, tables, USER_TABLES)
    item = _said(facts, hints.item_id) or _best(facts, tables, Part.ITEM) or _shared_key(facts, tables, ITEM_TABLES)
    if user is not None:
        return _Ids(user, item)
    session = _best(facts, tables, Part.SESSION)
    return _Ids(session, item, session=session is not None)


def _said(facts: Facts, column: str | None) -> str | None:
    return column if column in facts.columns else None


def _best(facts: Facts, tables: Sequence[Facts], part: Part) -> str | None:
    """Of the columns that look like the part: another table's key, else one called an id, else the first."""
    fitting = [column for column in facts.named(part) if facts.may_be_id(column)]

    def rank(column: str) -> tuple[bool, bool]:
        return not _is_key_elsewhere(column, facts, tables), not column.lower().endswith("id")

    return min(fitting, key=rank, default=None)


def _is_key_elsewhere(column: str, facts: Facts, tables: Sequence[Facts]) -> bool:
    return any(other is not facts and other.is_key(column) for other in tables)


def _shared_key(facts: Facts, tables: Sequence[Facts], file_names: re.Pattern[str]) -> str | None:
    """A column that comes back here and is the key of a table whose file name tells what it describes."""
    for other in tables:
        if other is not facts and file_names.search(other.name):
            for column in other.columns:
                if other.is_key(column) and column in facts.columns and not facts.is_key(column):
                    return column
    return None


def _is_log(facts: Facts, ids: _Ids, hints: Hints) -> bool:
    given = set(Expression.parse(hints.target).columns()) if hints.target else set()
    return _has_both(ids) or bool(_labels(facts)) or bool(given and given <= facts.columns.keys())


def _likeness(facts: Facts, ids: _Ids) -> tuple[bool, bool, int]:
    """How much a table looks like the log: it has both ids, neither is its key, and it is the longest."""
    has_both = ids.user is not None and ids.item is not None
    is_described = any(facts.is_key(column) for column in (ids.user, ids.item) if column)
    return has_both, not is_described, facts.rows


def _has_both(ids: _Ids) -> bool:
    return ids.user is not None and ids.item is not None


def _labels(facts: Facts) -> tuple[str, ...]:
    """Columns called a label whose values are 0 and 1, both of them."""
    return tuple(column for column in facts.columns if is_label(column) and is_binary(facts, column))


def is_binary(facts: Facts, column: str) -> bool:
    """0 and 1, or false and true: both there, nothing else."""
    found = facts.columns[column]
    if found.distinct != 2:
        return False
    return found.type == "boolean" or (found.is_integer and found.minimum == 0 and found.maximum == 1)


def _timestamp(log: Facts) -> str | None:
    """A column called a time that may be one; else the only column of times."""
    named = [column for column in log.named(Part.TIME) if _may_be_time(log, column)]
    typed = [name for name, column in log.columns.items() if column.type in ("timestamp", "date")]
    return next(iter(named), typed[0] if len(typed) == 1 else None)


def _may_be_time(log: Facts, column: str) -> bool:
    found = log.columns[column]
    if found.type in ("integer", "float"):
        return found.distinct > 2 and found.minimum is not None and found.minimum >= 0
    return found.type in ("timestamp", "date") or (found.type == "text" and found.distinct > 2)


def _title(items: Facts) -> str | None:
    return next((name for name, c in items.columns.items() if is_title(name) and c.type == "text"), None)


def _described_by(tables: Sequence[Facts], log: Facts, key: str | None) -> Facts | None:
    """The table whose key is the log's id; the one with most columns if there are several."""
    if key is None:
        return None
    fitting = [facts for facts in tables if facts is not log and facts.is_key(key)]
    return max(fitting, key=lambda facts: len(facts.columns), default=None)


def _unused(
    tables: Sequence[Facts], log: Facts, users: Facts | None, items: Facts | None, ids: _Ids
) -> Iterator[tuple[Facts, str]]:
    for facts in tables:
        if not any(facts is taken for taken in (log, users, items)):
            yield facts, _why_unused(facts, log, [key for key in (ids.user, ids.item) if key])


def _why_unused(facts: Facts, log: Facts, keys: Sequence[str]) -> str:
    held = [key for key in keys if key in facts.columns]
    if len(held) == 2:
        return (
            f"another log beside {log.name}, and only one is read: join them into one table, with a column that says "
            "which event it was, or name a folder or glob of files with the same columns"
        )
    if held:
        return f"`{held[0]}` is not unique in it, or another table describes the same"
    wanted = " or ".join(f"`{key}`" for key in keys) or "an id of the log"
    return f"it has no column {wanted}; rename its key to that, if it describes users or items"


def _nothing_recognised(tables: Sequence[Facts]) -> str:
    listed = "\n".join(f"  {facts.name}: {', '.join(_described(facts))}" for facts in tables)
    return (
        "no table looks like a log of what users did with items: expected columns with a user (or session) and an "
        f"item, or a label of 0 and 1. Found\n{listed}\n"
        "  Say which columns they are: --user-id COLUMN --item-id COLUMN, and --target COLUMN (or an expression) for\n"
        "  a click log."
    )


def _described(facts: Facts) -> Iterator[str]:
    return (f"{name} ({found.type}, {found.distinct:,} values)" for name, found in facts.columns.items())
