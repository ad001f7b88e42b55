"""Looking at tables and proposing a recipe."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shortlist.core.errors import DataError
from shortlist.recipe.sections import Compute
from shortlist.schema import Side
from shortlist.tables.engine import open_engine
from shortlist.tables.propose.facts import Facts, look
from shortlist.tables.propose.holding_out import choose_split
from shortlist.tables.propose.offered import Offered, offered_features
from shortlist.tables.propose.recipe_text import Parts, recipe_text
from shortlist.tables.propose.roles import Hints, find_roles
from shortlist.tables.propose.targets import find_targets


@dataclass(frozen=True, slots=True)
class Finding:
    """What one table was taken for."""

    table: str
    rows: int
    lines: tuple[str, ...]
    """What was inferred, each with its reason."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recipe, and how it was come by."""

    text: str
    """TOML."""
    findings: tuple[Finding, ...]
    split: str
    """How rows are held out, for people."""


def propose(sources: Sequence[str], folder: Path, hints: Hints | None = None) -> Proposal:
    """Propose a recipe that lies in `folder`, for the tables at `sources`: files, folders or globs.

    Raises:
        DataError: a table cannot be read or is empty, or none of them looks like a log.
    """
    hints = hints or Hints()
    if len(set(sources)) < len(sources):
        raise DataError(f"the same table twice: {', '.join(sources)}")
    with tempfile.TemporaryDirectory() as scratch, open_engine(Compute(), Path(scratch)) as engine:
        roles = find_roles([look(engine, source) for source in sources], hints)
        targets = find_targets(engine, roles, hints)
        split = choose_split(engine, roles)
        features = offered_features(engine, roles, targets, split)
        named = {"interactions": roles.log, "users": roles.users, "items": roles.items}
        paths = {name: recipe_path(facts.source, folder) for name, facts in named.items() if facts}
        parts = Parts(roles, targets, split, features, paths)
        return Proposal(recipe_text(parts), tuple(_findings(parts)), split.why)


def recipe_path(source: str, folder: Path) -> str:
    """The path as a recipe in `folder` says it: relative, unless it was given as absolute and leads elsewhere."""
    absolute, base = os.path.abspath(source), os.path.abspath(folder)
    inside = os.path.commonpath([absolute, base]) == base
    if os.path.isabs(source) and not inside:
        return Path(absolute).as_posix()
    return Path(os.path.relpath(absolute, base)).as_posix()


def _findings(parts: Parts) -> Iterator[Finding]:
    roles = parts.roles
    yield Finding(roles.log.name, roles.log.rows, tuple(_log_lines(parts)))
    for facts, key, side, what in (
        (roles.users, roles.user_id, Side.USER, "users"),
        (roles.items, roles.item_id, Side.ITEM, "items"),
    ):
        if facts is not None:
            title = [f"{roles.title} -> title to show people"] if side == Side.ITEM and roles.title else []
            lines = (f"the {what}: `{key}` is unique in it", *title, *_feature_lines(parts.features[side]))
            yield Finding(facts.name, facts.rows, lines)
    for facts, why in roles.unused:
        yield Finding(facts.name, facts.rows, (f"not used: {why}",))


def _log_lines(parts: Parts) -> Iterator[str]:
    roles, targets = parts.roles, parts.targets
    yield f"the log: {_why_log(parts)}"
    user = "session, in the place of a user" if roles.session else "user"
    for column, part in ((roles.user_id, user), (roles.item_id, "item")):
        if column is not None:
            yield f"{column} -> {part} ({roles.log.columns[column].distinct:,}){_nulls(roles.log, column)}"
    if roles.timestamp:
        sort = "time" if parts.split.is_calendar else "time, an order without dates"
        yield f"{roles.timestamp} -> {sort}, {parts.split.times}"
    if targets.event is not None and roles.timestamp is not None:
        yield f"{targets.event} -> type of past events ({roles.log.columns[targets.event].distinct:,})"
    for target in targets.chosen:
        yield f"{target.why} -> target `{target.name}` = {target.expression} ({target.rate:.1%} positive)"
    for target in targets.others:
        yield f"in a comment: target `{target.name}` = {target.expression} ({target.rate:.1%} positive)"
    yield from targets.notes
    yield from _feature_lines(parts.features[Side.CONTEXT])


def _why_log(parts: Parts) -> str:
    if parts.targets.kind == "label":
        return "each row is an impression with its outcome, so only a ranker is needed"
    return "each row is an event of a user with an item"


def _nulls(facts: Facts, column: str) -> str:
    count = facts.columns[column].nulls
    return f"; {count:,} rows without it will be dropped" if count else ""


def _feature_lines(offers: Sequence[Offered]) -> Iterator[str]:
    for offer in offers:
        line = offer.inferred.line(offer.name)
        yield line if offer.active or offer.inferred.feature is None else f"in a comment: {line}"
