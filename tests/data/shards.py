"""A prepared folder of a click log, written by hand: as many shards of as many rows as a test needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from shortlist.core.files import write_json
from shortlist.data.shards import write_batch
from shortlist.features.rows import FeatureTable, matrix_to_arrow
from shortlist.schema import Column, Kind, Schema, Side, Target


def log_folder(folder: Path, shards: int, rows: int) -> Path:
    """The one column is a number: the row's place in the whole log. Its time is the shard's number."""
    folder.mkdir(parents=True)
    names = [f"events-{i:05d}.arrow" for i in range(shards)]
    for i, name in enumerate(names):
        place_n = np.arange(i * rows, (i + 1) * rows)
        zeros = np.zeros(rows, np.int32)
        columns = {
            **FeatureTable(np.zeros((rows, 0), np.int32), place_n[:, None].astype(np.float32)).to_arrow(),
            "user": pa.array(zeros),
            "item": pa.array(zeros),
            "time": pa.array(np.full(rows, i, np.int64)),
            "split": pa.array((place_n % 10 == 9).astype(np.int8)),
            "targets": matrix_to_arrow((place_n % 3 == 0).astype(np.float32)[:, None]),
        }
        write_batch(folder / name, pa.record_batch(columns))
    nothing = FeatureTable(np.zeros((1, 0), np.int32), np.zeros((1, 0), np.float32)).to_arrow()
    entity = {**nothing, "key": pa.array([None], pa.int64()), "train_count": pa.array([0], pa.int64())}
    write_batch(folder / "users.arrow", pa.record_batch(entity))
    items = {**entity, "title": pa.array([None], pa.string()), "positive_count": pa.array([0], pa.int64())}
    write_batch(folder / "items.arrow", pa.record_batch(items))
    schema = Schema(
        columns=(Column(name="context.place", side=Side.CONTEXT, kind=Kind.NUMBER),),
        targets=(Target(name="clicked"),),
        has_users=False,
        has_items=False,
        has_time=False,
        id_types={"user": "int", "item": "int"},
    )
    write_json(folder / "schema.json", schema.to_json())
    write_json(folder / "manifest.json", {"shards": names})
    return folder
