"""Shards: Arrow IPC files of one record batch each, uncompressed, to be memory-mapped.

Legend: n rows, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from shortlist.core.errors import DataError

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


class ShardWriter:
    """Writes `total` events that come sorted by user to `events-00000.arrow` and so on, of about `rows` rows each.

    All events of a user are in one shard, so a shard may be larger. The unknown user, who stands for everybody in a log
    without users, is cut anywhere.
    """

    def __init__(self, folder: Path, total: int, rows: int = SHARD_ROWS) -> None:
        self.names: list[str] = []
        """Files written so far."""
        self._folder = folder
        self._rows = -(-total // max(1, round(total / rows)))
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
        name = f"events-{len(self.names):05d}.arrow"
        write_batch(self._folder / name, batch)
        self.names.append(name)
