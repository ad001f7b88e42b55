"""Shards: Arrow IPC files of one record batch each, uncompressed, to be memory-mapped.

Legend: n rows, T targets, U users.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.features.rows import Ints, Longs

SHARD_ROWS = 1_000_000


def write_batch(path: Path, batch: pa.RecordBatch) -> None:
    """Write an Arrow IPC file that holds this batch alone."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def read_batch(path: Path) -> pa.RecordBatch:
    """Map the only record batch of an Arrow IPC file; DataError if that cannot be done."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path), "r"))
        return reader.get_batch(0)
    except (pa.ArrowInvalid, OSError, IndexError) as error:
        raise DataError(f"cannot read {path}: {error}. Prepare it again with: shortlist prepare --force") from error


def one_batch(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of one schema, at least one, as a single one."""
    return pa.concat_batches(batches) if len(batches) > 1 else batches[0]


def shard_name(number: int) -> str:
    """The file of a shard."""
    return f"events-{number:05d}.arrow"


def rows_a_shard(total: int, rows: int = SHARD_ROWS) -> int:
    """How many of `total` rows are in each shard, so that all are about as large as the others, and near `rows`."""
    return -(-total // max(1, round(total / rows)))


def shards_of_users(events_U: Longs, rows: int = SHARD_ROWS) -> Ints:
    """(U,) the shard into which `ShardWriter` puts each user, in their order, each with so many events."""
    until_U = np.cumsum(events_U)
    total = int(until_U[-1]) if len(until_U) else 0
    each, last = rows_a_shard(total, rows), []
    done = 0
    while total - done > each:
        user = int(np.searchsorted(until_U, done + each))
        last.append(user)
        done = int(until_U[user])
    shard_U = np.searchsorted(np.array(last, np.int64), np.arange(len(events_U))).astype(np.int32)
    # Users of whom there is no event may come after the last one of whom there is: they open no shard of their own.
    last_used = int(shard_U[events_U > 0].max(initial=0))
    return np.minimum(shard_U, last_used, dtype=np.int32)


class ShardWriter:
    """Writes `total` events that come sorted by user to `events-00000.arrow` and so on, of about `rows` rows each.

    All events of a user are in one shard, so a shard may be larger. The unknown user, who stands for everybody in a log
    without users, is cut anywhere.
    """

    def __init__(self, folder: Path, total: int, rows: int = SHARD_ROWS) -> None:
        self.names: list[str] = []
        """Files written so far."""
        self._folder = folder
        self._rows = rows_a_shard(total, rows)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows; `user` (n,) int32 is one of the columns."""
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        while self._pending_rows > self._rows and self._write_whole():
            pass

    def close(self) -> None:
        """Write what is left."""
        if self._pending_rows:
            self._write(one_batch(self._pending))
        self._pending, self._pending_rows = [], 0

    def _write_whole(self) -> bool:
        """Write one shard, unless the user at its end may go on in the next batch."""
        batch = one_batch(self._pending)
        user_n = batch.column("user").to_numpy()
        last = user_n[self._rows - 1]
        end = self._rows if last == 0 else int(np.searchsorted(user_n, last, side="right"))
        whole = end < len(user_n)
        if whole:
            self._write(batch.slice(0, end))
            batch = batch.slice(end)
        self._pending, self._pending_rows = [batch], batch.num_rows
        return whole

    def _write(self, batch: pa.RecordBatch) -> None:
        name = shard_name(len(self.names))
        write_batch(self._folder / name, batch)
        self.names.append(name)
