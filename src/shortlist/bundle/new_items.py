"""New items without training: encoded from their features, as those of the log were.

A new item has no id of its own that a model could know, as it was never trained on: it shares the row of the unknown
id, and everything else is its features. Legend: I item rows, A rows that are added or altered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.read import ATTRIBUTES, Bundle, write_table
from shortlist.bundle.sample import SAMPLE
from shortlist.core.errors import RequestError
from shortlist.core.suggest import did_you_mean
from shortlist.features.base import ROW
from shortlist.features.encoder import vocabulary_path
from shortlist.features.rows import Ints
from shortlist.features.values import array_of
from shortlist.features.vocabulary import Vocabulary
from shortlist.funnel.columns import Source
from shortlist.funnel.filters.columns import separators, with_rows
from shortlist.funnel.sources.folder import save_items
from shortlist.funnel.sources.towers import TowerSource
from shortlist.recipe.sections import sources_of
from shortlist.schema import Side
from shortlist.schema.columns import ITEM_ID

SHOWN = 5
"""Most ids that an error shows."""


def with_items(bundle: Bundle, table: pa.Table | Mapping[str, Sequence[Any]]) -> Bundle:
    """The bundle with the items of `table`, one row each: its raw columns, among them that of the id.

    An item that is there already gets these features; a column that is left out counts as missing, but for titles,
    which then stay. RequestError says what is wrong with the table.
    """
    columns = _columns(bundle, table)
    keys = _keys(bundle, columns)
    row_A = bundle.item_rows(keys)
    is_new_A = row_A == 0
    row_A[is_new_A] = len(bundle.items) + np.arange(is_new_A.sum())
    encoded = bundle.encoders[Side.ITEM].apply(pa.record_batch({**columns, ROW: pa.array(row_A)}))
    all_keys = pa.concat_arrays([bundle.item_keys, keys.filter(pa.array(is_new_A))])
    zeros = np.zeros(int(is_new_A.sum()), np.int64)
    return replace(
        bundle,
        items=bundle.items.with_rows(row_A, encoded),
        item_keys=all_keys,
        titles=_titles(bundle, columns, row_A, len(all_keys)),
        attributes=_attributes(bundle, columns, row_A, len(all_keys)),
        positive_count=np.concatenate([bundle.positive_count, zeros]),
        train_count=np.concatenate([bundle.train_count, zeros]),
        item_vocabulary=Vocabulary.from_rows(all_keys[1:], np.arange(1, len(all_keys), dtype=np.int32)),
        changed_A=np.union1d(bundle.changed_A, row_A).astype(np.int32),
    )


def write_items(bundle: Bundle, sources: Sequence[Source], folder: Path) -> None:
    """Bring a copy of the bundle's files in `folder` up to its items, and seal it."""
    columns = {
        **bundle.items.to_arrow(),
        "key": bundle.item_keys,
        "train_count": pa.array(bundle.train_count),
        "positive_count": pa.array(bundle.positive_count),
        "title": bundle.titles,
    }
    write_table(folder / "items.arrow", pa.record_batch(columns))
    if bundle.attributes is not None:
        write_table(folder / ATTRIBUTES, bundle.attributes)
    bundle.item_vocabulary.save(vocabulary_path(folder / "features", ITEM_ID))
    indexes = dict(bundle.manifest.get("index", {}))
    for stage, source in zip(sources_of(bundle.recipe), sources, strict=True):
        facts = save_items(source, folder / stage) if isinstance(source, TowerSource) else None
        if facts is not None:
            indexes[stage] = facts
    # Answers may have changed on purpose.
    (folder / SAMPLE).unlink(missing_ok=True)
    kept = {name: fact for name, fact in bundle.manifest.items() if name not in ("format", "files")}
    write_manifest(folder, {**kept, "index": indexes})


def _columns(bundle: Bundle, table: pa.Table | Mapping[str, Sequence[Any]]) -> dict[str, pa.Array]:
    """The table's columns by name; RequestError for one that nothing reads."""
    roles, read = bundle.recipe.schema_, bundle.encoders[Side.ITEM].sources
    attributes = () if bundle.attributes is None else bundle.attributes.schema.names
    if not read:
        raise RequestError(
            "the items of this bundle have no features, so nothing would tell a new one from any other: name a table "
            "of items in data.items and train again"
        )
    if isinstance(table, Mapping):
        table = pa.table({name: array_of(list(values)) for name, values in table.items()})
    known = {*read, *attributes, *(name for name in (roles.item_id, roles.title) if name)}
    for name in table.column_names:
        if name not in known:
            raise RequestError(f"new items: no feature reads the column {name!r}.{did_you_mean(name, known)}")
    if roles.item_id not in table.column_names:
        raise RequestError(
            f"new items: expected the column `{roles.item_id}` with their ids, found {', '.join(table.column_names)}"
        )
    return {name: table[name].combine_chunks() for name in table.column_names}


def _keys(bundle: Bundle, columns: Mapping[str, pa.Array]) -> pa.Array:
    """The ids as the bundle has them; RequestError where one is missing, of another type, or there twice."""
    given, kind = columns[bundle.recipe.schema_.item_id or ""], bundle.item_keys.type
    try:
        keys = given.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        named = "integers" if pa.types.is_integer(kind) else "text"
        raise RequestError(f"new items: ids of this bundle's items are {named}: {error}") from error
    if keys.null_count:
        raise RequestError(f"new items: {keys.null_count:,} of {len(keys):,} rows have no id")
    counts = pc.value_counts(keys)
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    if twice:
        shown = ", ".join(repr(key) for key in twice[:SHOWN])
        raise RequestError(f"new items: expected one row for each, found several for {len(twice):,} ids: {shown}")
    return keys


def _attributes(bundle: Bundle, columns: Mapping[str, pa.Array], row_A: Ints, items: int) -> pa.RecordBatch | None:
    """The raw columns of all items; RequestError where a value does not fit its column."""
    if bundle.attributes is None:
        return None
    try:
        return with_rows(bundle.attributes, columns, row_A, items, separators(bundle.encoders[Side.ITEM]))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RequestError(f"new items: a value is of another kind than its column in the bundle: {error}") from error


def _titles(bundle: Bundle, columns: Mapping[str, pa.Array], row_A: Ints, items: int) -> pa.Array:
    """The titles of all items, those of the table among them."""
    given = columns.get(bundle.recipe.schema_.title or "")
    missing = pa.nulls(items - len(bundle.titles), pa.string())
    before = pa.concat_arrays([bundle.titles, missing])
    if given is None:
        return before
    place_I: npt.NDArray[np.int64] = np.arange(items)
    place_I[row_A] = items + np.arange(len(row_A))
    return pa.concat_arrays([before, given.cast(pa.string())]).take(pa.array(place_I))
