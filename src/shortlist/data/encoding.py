"""Encoding: vocabularies joined in the engine, everything else by the encoder, batch by batch.

Legend: U users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa

from shortlist.core.profile import span
from shortlist.data.event_finish import FACTS, EventFinish
from shortlist.data.sorting import BUCKET_ROWS, cuts_between, sample_step, sorted_buckets
from shortlist.features.base import Transform
from shortlist.features.categorical import Categorical
from shortlist.features.encoder import Encoder
from shortlist.features.rows import Ints, Longs
from shortlist.schema import Side, Split
from shortlist.tables.engine import Engine
from shortlist.tables.entities import Entities
from shortlist.tables.hashing import PRIME, one_in, pseudo_random
from shortlist.tables.names import GROUP, ITEM, KEY, ROW, SOURCE, SPLIT, TIME, USER, WEIGHT, target
from shortlist.tables.ordering import Bounds, bounds, packed

BATCH_ROWS = 131_072
_TITLE, _TABLE_KEY, _DRAW, _ORDER = "#title", "#table_key", "#draw", "#order"
_WITHIN = {SPLIT: Bounds(min(Split), max(Split)), _DRAW: Bounds(0, PRIME - 1)}


def with_rows(engine: Engine, table: ibis.Table, transforms: Sequence[Transform]) -> tuple[ibis.Table, list[str]]:
    """The table with the vocabulary rows of categorical features joined, and the columns that the encoder needs of it.

    Integers and text are joined; other types are looked up by the encoder, which alone knows their text.
    """
    needed = []
    for transform in transforms:
        if isinstance(transform, Categorical) and _is_joined(table, transform):
            table = _join(engine, table, transform)
            needed.append(transform.name + ROW)
        else:
            needed.append(transform.column)
    return table, list(dict.fromkeys(needed))


def _is_joined(table: ibis.Table, transform: Categorical) -> bool:
    kind = table[transform.column].type()
    integer = kind.is_integer() and not kind.is_uint64()
    return bool(integer if transform.vocabulary.id_type == "int" else kind.is_string())


def _join(engine: Engine, table: ibis.Table, transform: Categorical) -> ibis.Table:
    value, row = transform.name + "#value", transform.name + ROW
    rows = engine.table("vocabulary", transform.vocabulary.to_arrow().rename_columns([value, row]))
    column = table[transform.column]
    key = column.cast("int64") if column.type().is_integer() else column
    return table.left_join(rows, key == rows[value]).drop(value)


def entity_batch(
    engine: Engine, encoder: Encoder, entities: Entities, table: ibis.Table | None, title: str | None = None
) -> pa.RecordBatch:
    """Users or items as they are stored: features, `key`, `train_count`, for items `positive_count` and `title`.

    `table` is their own table with `names.KEY`. Row 0 is the unknown one, with the features that are all missing.
    """
    rows = engine.table(encoder.side, entities.to_arrow())
    found = rows
    if table is not None:
        own = table.rename({_TABLE_KEY: KEY})
        found = rows.left_join(own, rows[KEY] == own[_TABLE_KEY])
    texts = {_TITLE: found[title].cast("string")} if title else {}
    features = [transform for transform in encoder.transforms if transform.column != ROW]
    joined, needed = with_rows(engine, found.mutate(**texts), features)
    ordered = joined.select(ROW, *needed, *texts).order_by(ROW)
    unknown = pa.record_batch({ROW: pa.array([0], pa.int32())})
    encoded = [encoder.apply(unknown).to_arrow()]
    titles = [pa.nulls(1, pa.string())]
    for batch in engine.batches(ordered, BATCH_ROWS):
        with span("apply"):
            encoded.append(encoder.apply(batch).to_arrow())
        titles.append(batch.column(_TITLE).cast(pa.string()) if title else pa.nulls(batch.num_rows, pa.string()))
    columns = {name: pa.concat_arrays([part[name] for part in encoded]) for name in encoded[0]}
    columns["key"] = pa.concat_arrays([pa.nulls(1, entities.keys.type), entities.keys])
    columns["train_count"] = pa.array(_after_zero(entities.train_count))
    if encoder.side == Side.ITEM:
        columns["positive_count"] = pa.array(_after_zero(entities.positive_count))
        columns["title"] = pa.concat_arrays(titles)
    return pa.record_batch(columns)


def _after_zero(counts: Longs) -> Longs:
    return np.concatenate([np.zeros(1, np.int64), counts])


@dataclass(frozen=True)
class EventPlan:
    """Events on their way to be stored: what is asked of the engine, and what is left to do with its rows."""

    events: ibis.Table
    place: Callable[[ibis.Table], tuple[ibis.Table, list[str]]]
    """Joins the entities' rows to events; also the names of the keys to sort by."""
    table: ibis.Table
    """All of them placed, with what the encoders need."""
    keys: tuple[str, ...]
    finish: EventFinish

    @property
    def columns(self) -> list[str]:
        """Of the table those that are asked for."""
        return list(dict.fromkeys([*self.finish.moving, *self.keys]))


def plan_events(
    engine: Engine,
    encoders: Mapping[Side, Encoder],
    events: ibis.Table,
    entities: Mapping[str, Entities],
    shard_of_user: Ints | None = None,
) -> EventPlan:
    """How all events are stored, in their order.

    `encoders` are those of the context and of the past, which an event will be.
    `entities` are those that the log has, by `names.USER` and `names.ITEM`. The order is: user, time, part (what was
    held out comes after the training events of the same moment), then by chance, so that equal times tell nothing.
    `shard_of_user` (U,) becomes the column `names.SHARD`.
    """
    labels = [name for name in map(target, range(len(events.columns))) if name in events.columns]
    # A row that does not tell a target has a place in the order all the same.
    filled = {label + _ORDER: events[label].fill_null(-1.0) for label in labels}
    events = events.mutate(**filled)
    within = bounds(engine, events, [TIME, *filled, SOURCE])
    rows_of = {
        key: engine.table("rows", found.to_arrow(shard_of_user if key == USER else None))
        for key, found in entities.items()
    }

    def placed(table: ibis.Table) -> tuple[ibis.Table, list[str]]:
        for key in (USER, ITEM):
            table = _with_entity_row(table, key, rows_of.get(key))
            within[key + ROW] = Bounds(0, len(entities[key].keys) if key in entities else 0)
        table = table.mutate(**{_DRAW: _drawn(table, both=len(entities) == 2)})
        order = [USER + ROW, TIME, SPLIT, _DRAW, ITEM + ROW, *filled, SOURCE]
        keys = packed(table, order, {**within, **_WITHIN})
        return table.mutate(**keys), list(keys)

    table, keys = placed(events)
    table, needed = with_rows(engine, table, [*encoders[Side.CONTEXT].transforms, *encoders[Side.PAST].transforms])
    constant = {name: within[name].low for name in FACTS if name in within and within[name].size == 1}
    facts = (*FACTS, SPLIT, *labels, WEIGHT, GROUP)
    moving = [name for name in facts if name in table.columns and name not in constant]
    finish = EventFinish(tuple(dict.fromkeys([*moving, *needed])), constant, tuple(labels))
    return EventPlan(events, placed, table, tuple(keys), finish)


def event_batches(
    engine: Engine, encoders: Mapping[Side, Encoder], plan: EventPlan, rows: int, scratch: Path
) -> Iterator[pa.RecordBatch]:
    """All `rows` events as they are stored, in their order, by way of this process.

    What does not fit in memory lies in the folder `scratch`.
    """
    sample, keys = plan.place(
        engine.cache("sample", plan.events.filter(one_in(sample_step(rows), plan.events[SOURCE])))
    )
    cuts = cuts_between(engine.to_arrow(sample.select(keys[0]))[keys[0]].to_numpy(), rows, BUCKET_ROWS)
    unsorted = engine.batches(plan.table.select(*plan.columns), BATCH_ROWS)
    for bucket in sorted_buckets(unsorted, plan.keys, cuts, scratch):
        with span("apply"):
            stored = plan.finish.stored(encoders, bucket)
        yield stored


def _drawn(table: ibis.Table, both: bool) -> ibis.Value:
    """By chance, but the same for the same user and item, where there are both."""
    columns = (table[USER + ROW], table[ITEM + ROW]) if both else (table[SOURCE],)
    return pseudo_random(*columns, seed=0)


def _with_entity_row(table: ibis.Table, key: str, rows: ibis.Table | None) -> ibis.Table:
    if rows is None:
        return table.mutate(**{key + ROW: ibis.literal(0, "int32")})
    found = rows.rename({key + KEY: KEY, key + ROW: ROW})
    return table.join(found, table[key] == found[key + KEY]).drop(key + KEY)
