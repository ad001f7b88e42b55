"""LanceDB: lists as those of `lists`, but in a table on disk or in an object store, of which a query reads a part.

For vectors that memory cannot hold, and ten to fifty times as slow as lists in memory. What k-means begins with is
LanceDB's own choice: two tables of the same vectors are not the same.

A table stays as it was written, as several bundles may have it open and a manifest names the bytes of its files. What
comes or changes later stands beside it, in `apart_M`, and each of these is looked at.

Legend: Q queries of one block, M found or changed, I item rows, A items apart, R rows of the table, D dim,
E = D + 1.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from shortlist.core.extras import need
from shortlist.core.files import read_json, write_json
from shortlist.features.rows import Floats, Ints, matrix_from_arrow, matrix_to_arrow
from shortlist.index.approximate import Approximate
from shortlist.index.base import Bools, eligible_rows, with_eligible
from shortlist.index.partition import PER_LIST, ROUNDS, equally_long

_TABLE = "table.json"
_VECTOR = "vector"
_ITEM = "item"
_ROWS = 2**16
"""Items written at once."""
_LISTED = 10_000
"""Fewer items are not put into lists: to read all of them is as fast."""


class LanceIndex(Approximate):
    """A table of the eligible items. It grows by an item apart with every change: build it anew when many changed."""

    kind = "lancedb"
    structure = "table"

    def __init__(
        self, place: Path | str, name: str, vectors_ID: Floats, eligible_I: Bools | None, apart_M: Ints | None = None
    ) -> None:
        """Open the table `name` below `place`; of the items `apart_M` it has no vector, or another one."""
        lancedb = need("lancedb", "lancedb", "the index `lancedb`")
        self._place, self._name = place, name
        self._table = lancedb.connect(str(place)).open_table(name)
        rows = self._table.count_rows()
        super().__init__(len(vectors_ID), eligible_I, _lists(rows))
        found = self._table.search().select([_ITEM]).limit(max(rows, 1)).to_arrow()
        self._item_R = found[_ITEM].to_numpy()
        self._place_I = np.zeros(len(vectors_ID), np.int64)
        self._place_I[self._item_R] = np.arange(rows)
        self.apart_M = np.zeros(0, np.int32) if apart_M is None else apart_M
        self._apart_AD: Floats = vectors_ID[self.apart_M]
        self._stale = self._count_stale()

    @classmethod
    def build(cls, vectors_ID: Floats, eligible_I: Bools | None, place: Path | str) -> LanceIndex:
        """Write a table and put its rows into lists. In a folder of the bundle (`Path`) it is the only one."""
        lancedb = need("lancedb", "lancedb", "the index `lancedb`")
        name = "vectors" if isinstance(place, Path) else f"vectors-{uuid.uuid4().hex[:12]}"
        length = float(np.sqrt(np.einsum("id,id->i", vectors_ID, vectors_ID).max(initial=0)))
        item_M = np.flatnonzero(eligible_rows(len(vectors_ID), eligible_I)).astype(np.int32)
        batches = _batches(vectors_ID, item_M, length)
        schema = pa.schema({_ITEM: pa.int32(), _VECTOR: pa.list_(pa.float32(), vectors_ID.shape[1] + 1)})
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        table = lancedb.connect(str(place)).create_table(name, reader)
        if _lists(len(item_M)) > 1:
            form = need("lancedb.index", "lancedb", "the index `lancedb`").IvfFlat
            lists = _lists(len(item_M))
            table.create_index(
                _VECTOR,
                config=form(distance_type="l2", num_partitions=lists, max_iterations=ROUNDS, sample_rate=PER_LIST),
            )
        return cls(place, name, vectors_ID, eligible_I)

    @classmethod
    def open(cls, folder: Path, vectors_ID: Floats, eligible_I: Bools | None, threads: int) -> LanceIndex:
        """The table that `save` named. LanceDB has threads of its own."""
        about = read_json(folder / _TABLE)
        apart_M = np.array(about["apart"], np.int32)
        return cls(about["place"] or folder, about["name"], vectors_ID, eligible_I, apart_M)

    def lies_in(self, folder: Path) -> bool:
        """Whether the table does."""
        return isinstance(self._place, Path) and self._place.resolve() == folder.resolve()

    def save(self, folder: Path) -> None:
        """Name the table. That of another bundle's folder is copied; one that lies elsewhere stays there."""
        place, files = self._place, f"{self._name}.lance"
        if isinstance(place, Path) and not self.lies_in(folder):
            shutil.copytree(place / files, folder / files)
        elsewhere = None if isinstance(place, Path) else place
        write_json(folder / _TABLE, {"place": elsewhere, "name": self._name, "apart": self.apart_M.tolist()})

    def put(self, item_M: Ints, vector_MD: Floats) -> None:
        """See `Index.put`."""
        self.eligible_I = with_eligible(self.eligible_I, item_M)
        others_A = ~np.isin(self.apart_M, item_M)
        apart_A = np.concatenate([self.apart_M[others_A], item_M.astype(np.int32)])
        apart_AD = np.concatenate([self._apart_AD[others_A], np.asarray(vector_MD, np.float32)])
        order_A = np.argsort(apart_A)
        self.apart_M, self._apart_AD = apart_A[order_A], apart_AD[order_A]
        self._stale = self._count_stale()

    def remove(self, item_M: Ints) -> None:
        """See `Index.remove`."""
        self.eligible_I[item_M] = False
        others_A = ~np.isin(self.apart_M, item_M)
        self.apart_M, self._apart_AD = self.apart_M[others_A], self._apart_AD[others_A]
        self._stale = self._count_stale()

    def _nearest(self, query_QD: Floats, depth: int, effort: int) -> tuple[Ints, Floats]:
        # Rows that stand for no item any more take up places of what is found.
        depth = min(depth + self._stale, 2 * depth)
        item_QM = np.zeros((len(query_QD), depth), np.int32)
        score_QM = np.full((len(query_QD), depth), -np.inf, np.float32)
        for q, query_E in enumerate(np.pad(query_QD, ((0, 0), (0, 1)))):
            asked = self._table.search(query_E, vector_column_name=_VECTOR).distance_type("l2").nprobes(effort)
            found = asked.limit(depth).select([_ITEM, _VECTOR, "_distance"]).to_arrow()
            item_QM[q, : len(found)] = found[_ITEM].to_numpy()
            score_QM[q, : len(found)] = _vectors(found)[:, :-1] @ query_QD[q]
        return item_QM, score_QM

    def _scores(self, query_D: Floats, item_M: Ints) -> Floats:
        is_apart_M = np.isin(item_M, self.apart_M)
        score_M = np.empty(len(item_M), np.float32)
        score_M[is_apart_M] = self._apart_AD[np.searchsorted(self.apart_M, item_M[is_apart_M])] @ query_D
        score_M[~is_apart_M] = self._scores_in_table(query_D, item_M[~is_apart_M])
        return score_M

    def _scores_in_table(self, query_D: Floats, item_M: Ints) -> Floats:
        place_M = self._place_I[item_M]
        order_M = np.argsort(place_M)
        rows = self._table.take_offsets(place_M[order_M].tolist()).select([_ITEM, _VECTOR]).to_arrow()
        score_M = np.empty(len(item_M), np.float32)
        score_M[order_M] = _vectors(rows)[:, :-1] @ query_D
        return score_M

    def _count_stale(self) -> int:
        """Rows of the table of items that are no longer found, or by another vector."""
        return int(np.count_nonzero(~self.eligible_I[self._item_R] | np.isin(self._item_R, self.apart_M)))


def _lists(items: int) -> int:
    """About sqrt(I), fewer than in memory: each that is searched is a read."""
    return 1 if items < _LISTED else int(2 ** round(np.log2(np.sqrt(items))))


def _batches(vectors_ID: Floats, item_M: Ints, length: float) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(item_M), _ROWS):
        block_M = item_M[start : start + _ROWS]
        yield _batch(block_M, vectors_ID[block_M], length)


def _batch(item_M: Ints, vector_MD: Floats, length: float) -> pa.RecordBatch:
    vector_ME = equally_long(np.asarray(vector_MD, np.float32), length)
    return pa.record_batch({_ITEM: pa.array(item_M, pa.int32()), _VECTOR: matrix_to_arrow(vector_ME)})


def _vectors(rows: pa.Table) -> Floats:
    vector_ME: Floats = matrix_from_arrow(rows[_VECTOR].combine_chunks())
    return vector_ME
