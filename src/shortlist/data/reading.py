"""Reading: the recipe's tables opened, its features chosen, every column it names looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis

from shortlist.core.errors import DataError, Problem, RecipeError
from shortlist.core.progress import Reporter
from shortlist.recipe.features import Feature
from shortlist.recipe.sections import Recipe
from shortlist.schema import Side
from shortlist.schema.expression import Expression
from shortlist.tables.columns import Wanted, check_columns
from shortlist.tables.counting import count_rows
from shortlist.tables.engine import Engine
from shortlist.tables.infer import Inferred, infer_features, time_feature
from shortlist.tables.names import SOURCE
from shortlist.tables.profile import profile

Chosen = dict[str, Feature]


@dataclass(frozen=True)
class Tables:
    """The tables of a recipe in an engine, by side: the log is the context's."""

    recipe: Recipe
    by_side: Mapping[Side, ibis.Table]

    def source(self, side: Side) -> str:
        """Name of the side's table for people."""
        data = self.recipe.data
        given = {Side.USER: data.users, Side.ITEM: data.items, Side.CONTEXT: data.interactions}[side]
        return Path(given or "").name

    def id_column(self, side: Side) -> str | None:
        """Column with the id of the user or item."""
        return {Side.USER: self.recipe.schema_.user_id, Side.ITEM: self.recipe.schema_.item_id}.get(side)


def read_tables(engine: Engine, recipe: Recipe) -> Tables:
    """Open the tables, and check them against the recipe: RecipeError or DataError."""
    _check_recipe(recipe)
    data = recipe.data
    by_side = {Side.CONTEXT: engine.read(data.interactions, position=True)}
    if data.users:
        by_side[Side.USER] = engine.read(data.users)
    if data.items:
        by_side[Side.ITEM] = engine.read(data.items)
    tables = Tables(recipe, by_side)
    check_columns(*(_wanted(tables, side) for side in by_side))
    for side, table in by_side.items():
        if count_rows(engine, table) == 0:
            raise DataError(f"{tables.source(side)}: expected rows, found an empty table with the columns only.")
    return tables


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
        reporter.say("prepare", "\n".join([f"{side} features from {tables.source(side)}", *lines]))
    return chosen


def target_columns(recipe: Recipe) -> dict[str, str]:
    """Columns that targets are computed from, each with its target."""
    return {
        column: name for name, text in recipe.schema_.targets.items() for column in Expression.parse(text).columns()
    }


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
        return {schema.user_id}
    if side == Side.ITEM:
        return {schema.item_id, schema.title}
    split = {recipe.split.column} if recipe.split.kind == "column" else set()
    roles = {SOURCE, schema.user_id, schema.item_id, schema.timestamp, schema.weight}
    return {*roles, *split, *target_columns(recipe)}


def _check_recipe(recipe: Recipe) -> None:
    """What the recipe contradicts itself in; RecipeError with all of it."""
    schema, data, features = recipe.schema_, recipe.data, recipe.features
    problems = []
    for side, id_column, source, given in (
        (Side.USER, schema.user_id, data.users, features.user),
        (Side.ITEM, schema.item_id, data.items, features.item),
    ):
        if source and not id_column:
            problems.append(Problem(f"data.{side}s", f"needs schema.{side}_id, the column that both tables share"))
        if given and not source:
            problems.append(Problem(f"features.{side}", f"needs data.{side}s, the table with their columns"))
    if schema.title and not data.items:
        problems.append(Problem("schema.title", "needs data.items, the table with that column"))
    targets = target_columns(recipe)
    for name, spec in (features.context or {}).items():
        if (column := spec.column or name) in targets:
            why = f"the target `{targets[column]}` is computed from it, so it is not known when a request is made"
            problems.append(Problem(f"features.context.{name}", f"the column `{column}` tells the answer: {why}"))
    if problems:
        raise RecipeError(problems)


def _wanted(tables: Tables, side: Side) -> Wanted:
    """Every column of a side's table that the recipe names."""
    recipe, schema = tables.recipe, tables.recipe.schema_
    named: list[tuple[str, str | None]] = []
    if side == Side.CONTEXT:
        named += [("schema.user_id", schema.user_id), ("schema.item_id", schema.item_id)]
        named += [("schema.timestamp", schema.timestamp), ("schema.weight", schema.weight)]
        named += [(f"schema.targets.{name}", column) for column, name in target_columns(recipe).items()]
        named += [("split.column", recipe.split.column)] if recipe.split.kind == "column" else []
    else:
        named.append((f"schema.{side}_id", tables.id_column(side)))
        named += [("schema.title", schema.title)] if side == Side.ITEM else []
    given: Mapping[str, Feature] = getattr(recipe.features, side) or {}
    named += [(f"features.{side}.{name}", spec.column or name) for name, spec in given.items()]
    return Wanted(tables.source(side), tables.by_side[side], [(s, column) for s, column in named if column])
