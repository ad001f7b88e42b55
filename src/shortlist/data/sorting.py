"""Sorting more rows than fit in memory: dealt out to buckets by their first key, then each bucket sorted on its own.

Engines move whole rows about when they sort; here only a bucket's first keys are, and its other columns follow once.

Legend: n rows of a batch or bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.features.rows import Longs

BUCKET_ROWS = 1_000_000
_LARGEST_SAMPLE = 50_000


def cuts_between(sample: Longs, rows: int, bucket_rows: int) -> Longs:
    """First keys of all buckets but the first, so that `rows` rows make buckets of about `bucket_rows`.

    `sample` holds the first keys of some of the rows. Rows with equal first keys share a bucket.
    """
    buckets = -(-rows // bucket_rows)
    if buckets < 2 or len(sample) == 0:
        return np.zeros(0, np.int64)
    ordered = np.sort(sample)
    return np.unique(ordered[np.arange(1, buckets) * len(ordered) // buckets])


def sample_step(rows: int) -> int:
    """Every so many rows one is enough to tell where to cut."""
    return max(1, rows // _LARGEST_SAMPLE)


def sorted_buckets(
    batches: Iterator[pa.RecordBatch], keys: Sequence[str], cuts: Longs, scratch: Path
) -> Iterator[pa.RecordBatch]:
    """All rows in ascending order of `keys`, a bucket at a time, without these columns.

    The first key is int64, the others are numbers without null. Buckets lie in `scratch`, a folder that need not be
    there and is empty afterwards.
    """
    if len(cuts) == 0:
        whole = list(batches)
        if whole:
            yield in_order(pa.concat_batches(whole), keys)
        return
    scratch.mkdir(parents=True, exist_ok=True)
    paths = [scratch / f"bucket-{number:05d}.arrow" for number in range(len(cuts) + 1)]
    _deal(batches, keys[0], cuts, paths)
    for path in paths:
        if path.exists():
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
                bucket = in_order(pa.concat_batches(list(reader)), keys)
            path.unlink()
            yield bucket


def _deal(batches: Iterator[pa.RecordBatch], key: str, cuts: Longs, paths: Sequence[Path]) -> None:
    with ExitStack() as open_files:
        writers: dict[int, pa.RecordBatchStreamWriter] = {}
        for batch in batches:
            bucket_n = np.searchsorted(cuts, batch.column(key).to_numpy(), side="right").astype(np.uint16)
            dealt = _taken(batch, np.argsort(bucket_n, kind="stable"))
            ends = np.cumsum(np.bincount(bucket_n, minlength=len(paths)))
            for bucket in np.flatnonzero(np.diff(ends, prepend=0)).tolist():
                if bucket not in writers:
                    sink = open_files.enter_context(pa.OSFile(str(paths[bucket]), "wb"))
                    writers[bucket] = open_files.enter_context(pa.ipc.new_stream(sink, batch.schema))
                start = int(ends[bucket - 1]) if bucket else 0
                writers[bucket].write_batch(dealt.slice(start, int(ends[bucket]) - start))


def in_order(batch: pa.RecordBatch, keys: Sequence[str]) -> pa.RecordBatch:
    """The rows in ascending order of `keys`, without these columns."""
    return _taken(batch.drop_columns(list(keys)), _order([batch.column(key).to_numpy() for key in keys]))


def _taken(batch: pa.RecordBatch, rows_n: Longs) -> pa.RecordBatch:
    """NumPy takes rows of plain numbers faster than Arrow does."""
    columns = [
        pa.array(column.to_numpy().take(rows_n)) if _is_plain(column) else column.take(pa.array(rows_n))
        for column in batch.columns
    ]
    return pa.record_batch(columns, batch.schema)


def _is_plain(column: pa.Array) -> bool:
    kind = column.type
    return column.null_count == 0 and bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _order(keys: Sequence[npt.NDArray[np.generic]]) -> Longs:
    """Places in ascending order of the keys. Most rows differ in the first; the others settle what it leaves open."""
    order_n = np.argsort(keys[0])
    first_n = keys[0][order_n]
    same = first_n[1:] == first_n[:-1]
    open_n = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    rows = order_n[open_n]
    order_n[open_n] = rows[np.lexsort([key[rows] for key in reversed(keys)])]
    return order_n
