"""Encoding: vocabularies joined in the engine, everything else by the encoder, batch by batch.

Legend: n rows of a batch, T targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import ibis
import numpy as np
import pyarrow as pa

from shortlist.features.base import Transform
from shortlist.features.categorical import Categorical
from shortlist.features.encoder import Encoder
from shortlist.features.rows import Longs, matrix_to_arrow
from shortlist.schema import Side
from shortlist.tables.engine import Engine
from shortlist.tables.entities import Entities
from shortlist.tables.hashing import pseudo_random
from shortlist.tables.names import ITEM, KEY, ROW, SOURCE, SPLIT, TIME, USER, WEIGHT, target

BATCH_ROWS = 131_072
_TITLE, _TABLE_KEY = "#title", "#table_key"


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


def event_batches(
    engine: Engine, encoder: Encoder, events: ibis.Table, entities: Mapping[str, Entities], targets: int
) -> Iterator[pa.RecordBatch]:
    """Events as they are stored, in their order.

    `entities` are those that the log has, by `names.USER` and `names.ITEM`. The order is: user, time, part (what was
    held out comes after the training events of the same moment), then by chance, so that equal times tell nothing.
    """
    table, needed = with_rows(engine, events, encoder.transforms)
    for key in (USER, ITEM):
        table = _with_entity_row(engine, table, key, entities.get(key))
    user, item = table[USER + ROW], table[ITEM + ROW]
    drawn = (user, item) if len(entities) == 2 else (table[SOURCE],)
    order = [user, TIME, SPLIT, pseudo_random(*drawn, seed=0), item, *map(target, range(targets)), SOURCE]
    weight = [WEIGHT] if WEIGHT in table.columns else []
    columns = [USER + ROW, ITEM + ROW, TIME, SPLIT, *map(target, range(targets)), *weight]
    ordered = table.order_by(order).select(*dict.fromkeys([*columns, *needed]))
    for batch in engine.batches(ordered, BATCH_ROWS):
        yield _stored(encoder, batch, targets)


def _with_entity_row(engine: Engine, table: ibis.Table, key: str, entities: Entities | None) -> ibis.Table:
    if entities is None:
        return table.mutate(**{key + ROW: ibis.literal(0, "int32")})
    rows = engine.table("rows", entities.to_arrow().rename_columns([key + KEY, key + ROW]))
    return table.join(rows, table[key] == rows[key + KEY]).drop(key + KEY)


def _stored(encoder: Encoder, batch: pa.RecordBatch, targets: int) -> pa.RecordBatch:
    targets_nT = np.empty((batch.num_rows, targets), np.float32)
    for place in range(targets):
        targets_nT[:, place] = batch.column(target(place)).to_numpy()
    columns = {
        **encoder.apply(batch).to_arrow(),
        "user": batch.column(USER + ROW),
        "item": batch.column(ITEM + ROW),
        "time": batch.column(TIME),
        "split": batch.column(SPLIT),
        "targets": matrix_to_arrow(targets_nT),
    }
    if WEIGHT in batch.schema.names:
        columns["weight"] = batch.column(WEIGHT).cast(pa.float32())
    return pa.record_batch(columns)
