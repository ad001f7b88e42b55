"""Workers of `loader` that need torch and NumPy alone: torch's own data sets, and a plain copy as the limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from benchmarks.click_loading import BATCH, Sizes, serve_loading
from benchmarks.click_training import Array

Row = tuple[Tensor, ...]


class Rows(Dataset[Row]):
    """The log as tensors in memory; an index is one row, a list of them a batch."""

    def __init__(self, columns: tuple[Array, ...]) -> None:
        self.columns = tuple(torch.from_numpy(np.array(column)) for column in columns)

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index: Any) -> Row:
        return tuple(column[index] for column in self.columns)


def open_source(settings: dict[str, Any]) -> Callable[[], Sizes]:
    """`way`: rows (a map-style data set), batches (a batch sampler over it), copy (in order, unshuffled)."""
    torch.set_num_threads(1)
    torch.manual_seed(settings["seed"])
    folder = Path(settings["folder"])
    columns = tuple(np.load(folder / f"train_{what}.npy", mmap_mode="r") for what in ("numbers", "ids", "label"))
    if settings["way"] == "copy":
        return lambda: _copied(columns)
    data = Rows(columns)
    if settings["way"] == "rows":
        loader = DataLoader(data, batch_size=BATCH, shuffle=True)
    else:
        loader = DataLoader(data, batch_size=None, sampler=BatchSampler(RandomSampler(data), BATCH, drop_last=False))
    return lambda: (_size(batch) for batch in loader)


def _copied(columns: tuple[Array, ...]) -> Iterator[tuple[int, int]]:
    for start in range(0, len(columns[0]), BATCH):
        yield _size(tuple(torch.from_numpy(column[start : start + BATCH].copy()) for column in columns))


def _size(batch: Row) -> tuple[int, int]:
    numbers_BN, ids_BF, _ = batch
    return len(numbers_BN), numbers_BN.shape[1] + ids_BF.shape[1]


if __name__ == "__main__":
    serve_loading(open_source, "torch", "numpy")
