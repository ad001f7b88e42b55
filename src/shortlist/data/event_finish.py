"""The last step to an event as it is stored: what the engine does not do, here or on an executor.

Legend: n rows of a batch, T targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shortlist.features.encoder import Encoder
from shortlist.features.hashed import text_hash
from shortlist.features.rows import matrix_to_arrow
from shortlist.schema import Side
from shortlist.tables.names import GROUP, ITEM, ROW, SPLIT, TIME, USER, WEIGHT

FACTS = {USER + ROW: np.int32, ITEM + ROW: np.int32, TIME: np.int64}
"""Columns of which some logs have a single value."""


@dataclass(frozen=True, slots=True)
class EventFinish:
    """Which columns the engine's rows have, and what becomes of them."""

    moving: tuple[str, ...]
    """Columns that the rows bring."""
    constant: Mapping[str, int]
    """Facts that are the same in every row, and need not be moved about with them."""
    labels: tuple[str, ...]
    """Columns of the targets."""

    def stored(self, encoders: Mapping[Side, Encoder], batch: pa.RecordBatch) -> pa.RecordBatch:
        """n events as they are stored."""
        for name, value in self.constant.items():
            if name not in batch.schema.names:
                batch = batch.append_column(name, pa.array(np.full(batch.num_rows, value, FACTS[name])))
        targets_nT = np.empty((batch.num_rows, len(self.labels)), np.float32)
        for place, label in enumerate(self.labels):
            targets_nT[:, place] = batch.column(label).to_numpy(zero_copy_only=False)
        columns = {
            **encoders[Side.CONTEXT].apply(batch).to_arrow(),
            "user": batch.column(USER + ROW),
            "item": batch.column(ITEM + ROW),
            "time": batch.column(TIME),
            "split": batch.column(SPLIT).cast(pa.int8()),
            "targets": matrix_to_arrow(targets_nT),
        }
        if WEIGHT in batch.schema.names:
            columns["weight"] = batch.column(WEIGHT).cast(pa.float32())
        if encoders[Side.PAST].columns:
            columns["event"] = pa.array(encoders[Side.PAST].apply(batch).ids_nF[:, 0])
        if GROUP in batch.schema.names:
            columns["group"] = _group_numbers(batch.column(GROUP))
        return pa.record_batch(columns)


def _group_numbers(groups: pa.Array) -> pa.Array:
    """int64, equal for rows of one group: its id, or the hash of its text."""
    if pa.types.is_integer(groups.type):
        return groups.cast(pa.int64())
    coded = groups.dictionary_encode()
    number_of_code = np.array([text_hash(text) for text in coded.dictionary.to_pylist()], np.uint64)
    return pa.array(number_of_code.view(np.int64)[coded.indices.to_numpy()])
