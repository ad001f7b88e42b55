"""Petastorm's batch reader over plain Parquet files with its batched loader for torch."""

from __future__ import annotations

import torch
from petastorm import make_batch_reader
from petastorm.pytorch import BatchedDataLoader

from benchmarks.click_loading import BATCH, serve_loading

QUEUE = 65_536
"""Rows shuffled together, as many as ours shuffles."""


def open_source(settings):
    """Read in this thread; whole row groups are shuffled, and rows within the queue."""
    torch.set_num_threads(1)

    def one_pass():
        reader = make_batch_reader(
            f"file://{settings['folder']}/parquet", reader_pool_type="dummy", shuffle_row_groups=True, num_epochs=1
        )
        with BatchedDataLoader(reader, batch_size=BATCH, shuffling_queue_capacity=QUEUE) as loader:
            for columns in loader:
                yield len(columns["n0"]), len(columns) - ("label" in columns)

    return one_pass


if __name__ == "__main__":
    serve_loading(open_source, "petastorm", "pyarrow", "torch")
