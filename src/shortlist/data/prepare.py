"""Preparation: from a recipe's tables to the prepared folder that models learn from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ibis
import numpy as np

from shortlist.core.errors import DataError
from shortlist.core.files import whole_folder, write_json
from shortlist.core.profile import span
from shortlist.core.progress import Reporter, Silent
from shortlist.core.version import __version__
from shortlist.data import attributes
from shortlist.data.attributes import attribute_batch
from shortlist.data.encoding import entity_batch
from shortlist.data.event_writing import write_events
from shortlist.data.fitting import fit_features
from shortlist.data.reading import Chosen, Tables, choose_features, id_setting, read_tables, split_column
from shortlist.data.shards import write_batch
from shortlist.data.targets import resolve_targets
from shortlist.features.base import Transform
from shortlist.features.encoder import Encoder, stack, vocabulary_path
from shortlist.features.entity_id import EntityId
from shortlist.features.past import age_column
from shortlist.features.vocabulary import Vocabulary
from shortlist.recipe.features import Categorical, Feature, Numeric
from shortlist.recipe.sections import Recipe
from shortlist.schema import Schema, Side, Split, Target
from shortlist.tables.audit import Audit
from shortlist.tables.engine import Engine, open_engine
from shortlist.tables.entities import Entities, Found, audit_table, find_entities, no_entities
from shortlist.tables.events import Log, clean
from shortlist.tables.ids import id_key, id_type
from shortlist.tables.names import ITEM, KEY, SPLIT, TIME, USER
from shortlist.tables.splits import Held, check_split, hold_out
from shortlist.tables.times import unit_of
from shortlist.tables.unread import audit_numbers

_KEYS = {Side.USER: USER, Side.ITEM: ITEM}
_SILENT = Silent()


def prepare(
    recipe: Recipe, folder: Path, reporter: Reporter = _SILENT, fingerprint: str = "", now: float | None = None
) -> None:
    """Read, check, split, fit and encode the tables of a recipe into `folder`, which is whole or not there.

    `fingerprint` of the inputs goes into the manifest. Times a day and more after `now` (Unix seconds, by default the
    present) are in the future. Raises RecipeError, DataError or EnvironmentFault.
    """
    started = time.monotonic()
    check_split(recipe.split, bool(recipe.schema_.user_column), bool(recipe.schema_.timestamp))
    with whole_folder(folder) as draft, open_engine(recipe.compute, folder.parent) as engine, span("read"):
        stage = _Stage(engine, recipe, reporter, time.time() if now is None else now)
        facts = stage.write(draft)
        seconds = round(time.monotonic() - started, 3)
        manifest = {"fingerprint": fingerprint, "version": __version__, "recipe": recipe.name, **facts}
        write_json(draft / "manifest.json", {**manifest, "engine": engine.name, "seconds": seconds})
    count = len(facts["shards"])
    reporter.say(
        "prepare", f"{sum(facts['rows'].values()):,} events, {count} shard{'s' * (count > 1)}, {seconds:.1f} s"
    )


@dataclass(frozen=True)
class _Stage:
    """One preparation under way."""

    engine: Engine
    recipe: Recipe
    reporter: Reporter
    now: float

    def write(self, draft: Path) -> dict[str, Any]:
        """Everything but the manifest, which it returns the facts for."""
        tables = read_tables(self.engine, self.recipe)
        features = choose_features(self.engine, tables, self.reporter)
        audit = Audit()
        self._audit_numbers(tables, features, audit)
        id_types = {str(side): self._id_type(tables, side) for side in _KEYS}
        time_unit = self._time_unit(tables)
        held, targets = self._events(tables, features[Side.CONTEXT], id_types, time_unit, audit)
        keyed = {
            side: table.mutate(**{KEY: id_key(table[tables.id_column(side)], id_types[side])})
            for side, table in tables.by_side.items()
            if side in _KEYS
        }
        entities = self._entities(tables, keyed, held.events, features, audit)
        for line in [*audit.lines(), *held.lines()]:
            self.reporter.say("prepare", line)
        encoders = self._fit(keyed, held.events, entities, features)
        with span("write"):
            self._write_features(draft, encoders, entities, targets, id_types=id_types, time_unit=time_unit)
        for side in _KEYS:
            title = self.recipe.schema_.title if side == Side.ITEM else None
            batch = entity_batch(self.engine, encoders[side], entities[side], keyed.get(side), title)
            with span("write"):
                write_batch(draft / f"{side}s.arrow", batch)
        if Side.ITEM in keyed:
            batch = attribute_batch(
                self.engine, entities[Side.ITEM], keyed[Side.ITEM], self.recipe.schema_.item_id or ""
            )
            with span("write"):
                write_batch(draft / attributes.FILE, batch)
        known = {_KEYS[side]: found for side, found in entities.items() if len(found.keys)}
        shards = write_events(
            self.engine, encoders, held, known, draft, url=self.recipe.compute.shards, reporter=self.reporter
        )
        return {
            "rows": held.rows,
            "users": len(entities[Side.USER].keys),
            "items": len(entities[Side.ITEM].keys),
            **shards,
            "split": {
                "kind": self.recipe.split.kind,
                "valid_from": held.valid_from,
                "test_from": held.test_from,
            },
            "audit": audit.to_json(),
        }

    def _audit_numbers(self, tables: Tables, features: Mapping[Side, Chosen], audit: Audit) -> None:
        for side, table in tables.by_side.items():
            numeric = {name: spec for name, spec in features[side].items() if isinstance(spec, Numeric)}
            wanted = {f"features.{side}.{name}": spec.column or name for name, spec in numeric.items()}
            if side == Side.CONTEXT:
                # Of text that tells the time, which is audited by itself, a feature has the seconds.
                wanted = {at: column for at, column in wanted.items() if column != self.recipe.schema_.timestamp}
            audit_numbers(self.engine, table, tables.source(side), wanted, audit)

    def _id_type(self, tables: Tables, side: Side) -> str:
        """Over the log and the side's own table."""
        column = tables.id_column(side)
        places = [
            (tables.source(place), tables.by_side[place], column)
            for place in (Side.CONTEXT, side)
            if column and place in tables.by_side
        ]
        return id_type(self.engine, places)

    def _time_unit(self, tables: Tables) -> float:
        """Of the log's timestamp."""
        column = self.recipe.schema_.timestamp
        return unit_of(self.engine, tables.by_side[Side.CONTEXT], column) if column else 1.0

    def _events(
        self,
        tables: Tables,
        context: Mapping[str, Feature],
        id_types: Mapping[str, str],
        time_unit: float,
        audit: Audit,
    ) -> tuple[Held, tuple[Target, ...]]:
        """Clean events with their part, and their targets.

        The timestamp's column, where a feature reads it, holds Unix seconds.
        """
        roles, split = self.recipe.schema_, self.recipe.split
        table, source = tables.by_side[Side.CONTEXT], tables.source(Side.CONTEXT)
        read = dict.fromkeys(spec.column or name for name, spec in context.items())
        log = Log(
            source=source,
            table=table,
            roles=roles,
            id_types={**id_types, "group": id_type(self.engine, [(source, table, roles.group)] if roles.group else [])},
            time_unit=time_unit,
            context=tuple(column for column in (*read, roles.event) if column and column != roles.timestamp),
            label=split_column(self.recipe),
        )
        events = clean(self.engine, log, self.now, audit)
        if roles.timestamp in read:
            events = events.mutate(**{roles.timestamp: events[TIME]})
        held = hold_out(self.engine, events, split, self.recipe.seed, has_time=bool(roles.timestamp))
        events, targets = resolve_targets(self.engine, held.events, self.recipe, audit)
        return replace(held, events=events), targets

    def _entities(
        self,
        tables: Tables,
        keyed: Mapping[Side, ibis.Table],
        events: ibis.Table,
        features: Mapping[Side, Chosen],
        audit: Audit,
    ) -> dict[Side, Entities]:
        entities = {}
        for side, key in _KEYS.items():
            if tables.id_column(side) is None:
                entities[side] = no_entities()
                continue
            is_session = self._is_session(side)
            found = Found(
                "sessions" if is_session else f"{side}s", key, keyed.get(side), tables.source(side), is_session
            )
            if found.table is not None:
                columns = [spec.column or name for name, spec in features[side].items()]
                audit_table(self.engine, found.table, found, columns, audit)
            has_targets = bool(self.recipe.schema_.targets)
            entities[side] = find_entities(self.engine, events, found, has_targets, audit)
            self._check_several(entities[side], found.what, side, tables)
        return entities

    def _is_session(self, side: Side) -> bool:
        return side == Side.USER and self.recipe.schema_.session_id is not None

    def _check_several(self, found: Entities, what: str, side: Side, tables: Tables) -> None:
        """There is nothing to learn from one user, and nothing to choose from one item."""
        if found.size > 2:
            return
        only = f"one ({found.keys[0].as_py()!r})" if found.size == 2 else "none"
        raise DataError(
            f"{tables.source(Side.CONTEXT)}: expected at least two {what} with training events in the column "
            f"`{tables.id_column(side)}`, found {only}. Is schema.{id_setting(self.recipe, side)} the right column, "
            "and does [split] leave enough to train on?"
        )

    def _fit(
        self,
        keyed: Mapping[Side, ibis.Table],
        events: ibis.Table,
        entities: Mapping[Side, Entities],
        features: Mapping[Side, Chosen],
    ) -> dict[Side, Encoder]:
        """Users and items count once each, if they have a training event; the context counts by training events."""
        transforms: dict[Side, list[Transform]] = {side: [] for side in Side}
        for side, found in entities.items():
            # A session is never seen again: its own id would be learned by heart, and be unknown in every request.
            if len(found.keys) and not self._is_session(side):
                transforms[side].append(EntityId.of(side, found.size))
            if side in keyed:
                trained = self.engine.table("trained", found.to_arrow().slice(0, found.size - 1))
                train = keyed[side].semi_join(trained, KEY)
                transforms[side] += fit_features(self.engine, side, train, features[side])
        train = events.filter(events[SPLIT] == int(Split.TRAIN))
        transforms[Side.CONTEXT] += fit_features(self.engine, Side.CONTEXT, train, features[Side.CONTEXT])
        if event := self.recipe.schema_.event:
            transforms[Side.PAST] += fit_features(self.engine, Side.PAST, train, {"type": Categorical(column=event)})
        return stack(transforms)

    def _write_features(
        self,
        draft: Path,
        encoders: Mapping[Side, Encoder],
        entities: Mapping[Side, Entities],
        targets: tuple[Target, ...],
        *,
        id_types: Mapping[str, str],
        time_unit: float,
    ) -> None:
        roles = self.recipe.schema_
        for encoder in encoders.values():
            encoder.save(draft / "features")
        for side, found in entities.items():
            vocabulary = Vocabulary.from_rows(found.keys, np.arange(1, len(found.keys) + 1, dtype=np.int32))
            vocabulary.save(vocabulary_path(draft / "features", f"{side}.id"))
        columns = [column for encoder in encoders.values() for column in encoder.columns]
        if roles.user_column and roles.item_id and roles.timestamp:
            columns.append(age_column(sum(column.size for column in columns)))
        schema = Schema(
            columns=tuple(columns),
            targets=targets,
            has_users=bool(roles.user_column),
            has_items=bool(roles.item_id),
            has_time=bool(roles.timestamp),
            time_unit=time_unit,
            weighted=bool(roles.weight),
            id_types=id_types,
        )
        write_json(draft / "schema.json", schema.to_json())
