"""Reading: the recipe's tables opened, its features chosen, every column it names looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis

from shortlist.core.errors import DataError, Problem, RecipeError
from shortlist.core.progress import Reporter
from shortlist.recipe.features import Feature
from shortlist.recipe.sections import Recipe
from shortlist.recipe.sources import source_name
from shortlist.schema import Side
from shortlist.tables.columns import Wanted, check_columns
from shortlist.tables.counting import count_rows
from shortlist.tables.engine import Engine
from shortlist.tables.infer import Inferred, infer_features, time_feature
from shortlist.tables.names import PART, SOURCE
from shortlist.tables.parts import Part, join_parts, lacking
from shortlist.tables.profile import profile
from shortlist.tables.targets import told_by

Chosen = dict[str, Feature]


@dataclass(frozen=True)
class Tables:
    """The tables of a recipe in an engine, by side: the log is the context's."""

    recipe: Recipe
    by_side: Mapping[Side, ibis.Table]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Columns that only some parts of the log have, each with a part that lacks it."""

    def source(self, side: Side) -> str:
        """Name of the side's table for people."""
        data = self.recipe.data
        if side == Side.CONTEXT:
            return ", ".join(source_name(source) for source in data.interactions.sources)
        return source_name((data.users if side == Side.USER else data.items) or "")

    def id_column(self, side: Side) -> str | None:
        """Column with the id of the user or item."""
        return {Side.USER: self.recipe.schema_.user_column, Side.ITEM: self.recipe.schema_.item_id}.get(side)


def id_setting(recipe: Recipe, side: Side) -> str:
    """The setting of [schema] that names the column with the id of the user or item."""
    return "session_id" if side == Side.USER and recipe.schema_.session_id else f"{side}_id"


def read_tables(engine: Engine, recipe: Recipe) -> Tables:
    """Open the tables, and check them against the recipe: RecipeError or DataError."""
    _check_recipe(recipe)
    data = recipe.data
    log, missing = _read_log(engine, recipe)
    by_side = {Side.CONTEXT: log}
    if data.users:
        by_side[Side.USER] = engine.read(data.users)
    if data.items:
        by_side[Side.ITEM] = engine.read(data.items)
    tables = Tables(recipe, by_side, missing)
    check_columns(*(_wanted(recipe, side, tables.source(side), table) for side, table in by_side.items()))
    _check_event_types(tables)
    for side, table in by_side.items():
        if count_rows(engine, table) == 0:
            raise DataError(f"{tables.source(side)}: expected rows, found an empty table with the columns only.")
    return tables


def _read_log(engine: Engine, recipe: Recipe) -> tuple[ibis.Table, Mapping[str, str]]:
    """The log, and of one in parts the columns that are left out because a part lacks them."""
    data = recipe.data
    if data.interactions.table is not None:
        return engine.read(data.interactions.table, position=True, columns=data.columns), {}
    parts = {
        name: Part(source_name(source), engine.read(source, position=True, columns=data.columns))
        for name, source in data.interactions.parts.items()
    }
    check_columns(*(_wanted(recipe, Side.CONTEXT, part.source, part.table) for part in parts.values()))
    return join_parts(engine, parts), lacking(parts)


def _check_event_types(tables: Tables) -> None:
    column = tables.recipe.schema_.event
    if column and (kind := tables.by_side[Side.CONTEXT][column].type()).is_nested():
        raise DataError(
            f"schema.event = {column!r}: expected one type of event in each row of {tables.source(Side.CONTEXT)}, "
            f"found {kind}. Name a column with a single value a row."
        )


def split_column(recipe: Recipe) -> str | None:
    """Column of the log that says which part a row is held out for."""
    if recipe.split.kind != "column":
        return None
    return PART if recipe.data.interactions.parts else recipe.split.column


def choose_features(engine: Engine, tables: Tables, reporter: Reporter) -> dict[Side, Chosen]:
    """Features of each side: as the recipe says, or inferred from the side's table and reported."""
    given = tables.recipe.features
    chosen: dict[Side, Chosen] = {}
    for side, features in ((Side.USER, given.user), (Side.ITEM, given.item), (Side.CONTEXT, given.context)):
        if features is not None or side not in tables.by_side:
            chosen[side] = dict(features or {})
            continue
        inferred = _infer(engine, tables, side)
        chosen[side] = {name: found.feature for name, found in inferred.items() if found.feature is not None}
        lines = [found.line(name) for name, found in inferred.items()]
        if side == Side.CONTEXT:
            lines += [f"{name} -> left out: {part} has no such column" for name, part in tables.left_out.items()]
        reporter.say("prepare", "\n".join([f"{side} features from {tables.source(side)}", *lines]))
    return chosen


def target_columns(recipe: Recipe) -> dict[str, str]:
    """Columns that targets are computed from, each with its target."""
    return {column: name for name, setting in recipe.schema_.targets.items() for column in told_by(setting)}


def _infer(engine: Engine, tables: Tables, side: Side) -> dict[str, Inferred]:
    table, taken = tables.by_side[side], _no_features(tables.recipe, side)
    free = [column for column in table.columns if column not in taken]
    found = infer_features(profile(engine, table.select(*free))) if free else {}
    timestamp = tables.recipe.schema_.timestamp
    if side == Side.CONTEXT and timestamp:
        found["time" if "time" not in found else timestamp] = time_feature(timestamp)
    return found


def _no_features(recipe: Recipe, side: Side) -> set[str | None]:
    """Columns with another part to play; what a target is computed from would tell the answer."""
    schema = recipe.schema_
    if side == Side.USER:
        return {schema.user_column}
    if side == Side.ITEM:
        return {schema.item_id, schema.title}
    roles = {schema.user_column, schema.item_id, schema.timestamp, schema.event, schema.group, schema.weight}
    return {SOURCE, split_column(recipe), *roles, *target_columns(recipe)}


def _check_recipe(recipe: Recipe) -> None:
    """What the recipe contradicts itself in; RecipeError with all of it."""
    schema, data, features = recipe.schema_, recipe.data, recipe.features
    problems = []
    for side, id_column, source, given in (
        (Side.USER, schema.user_column, data.users, features.user),
        (Side.ITEM, schema.item_id, data.items, features.item),
    ):
        if source and not id_column:
            problems.append(Problem(f"data.{side}s", f"needs schema.{side}_id, the column that both tables share"))
        if given and not source:
            problems.append(Problem(f"features.{side}", f"needs data.{side}s, the table with their columns"))
    if schema.title and not data.items:
        problems.append(Problem("schema.title", "needs data.items, the table with that column"))
    if schema.event and not (schema.user_column and schema.item_id and schema.timestamp):
        why = (
            "types are told of the events of a history that has an order, which it takes users, items and times to have"
        )
        problems.append(Problem("schema.event", f"needs schema.user_id, schema.item_id and schema.timestamp: {why}"))
    targets = target_columns(recipe)
    for name, spec in (features.context or {}).items():
        if (spec.column or name) == schema.event:
            why = "schema.event says that it is known of past events alone"
            problems.append(Problem(f"features.context.{name}", f"reads the column `{schema.event}`: {why}"))
        elif (column := spec.column or name) in targets:
            why = f"the target `{targets[column]}` is computed from it, so it is not known when a request is made"
            problems.append(Problem(f"features.context.{name}", f"the column `{column}` tells the answer: {why}"))
    if problems:
        raise RecipeError(problems)


def _wanted(recipe: Recipe, side: Side, source: str, table: ibis.Table) -> Wanted:
    """Every column of a side's table that the recipe names."""
    schema = recipe.schema_
    named: list[tuple[str, str | None]] = []
    if side == Side.CONTEXT:
        named += [("schema.user_id", schema.user_id), ("schema.session_id", schema.session_id)]
        named += [("schema.item_id", schema.item_id)]
        named += [("schema.timestamp", schema.timestamp), ("schema.weight", schema.weight)]
        named += [("schema.event", schema.event), ("schema.group", schema.group)]
        named += [(f"schema.targets.{name}", column) for column, name in target_columns(recipe).items()]
        named += [("split.column", recipe.split.column)] if split_column(recipe) == recipe.split.column else []
    else:
        own = id_setting(recipe, side)
        named.append((f"schema.{own}", getattr(schema, own)))
        named += [("schema.title", schema.title)] if side == Side.ITEM else []
    given: Mapping[str, Feature] = getattr(recipe.features, side) or {}
    named += [(f"features.{side}.{name}", spec.column or name) for name, spec in given.items()]
    return Wanted(source, table, [(setting, column) for setting, column in named if column])
