"""Sequences of items that all contestants of `sequence` train on: MovieLens-1M's, or made up after its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Options
from shortlist.core.errors import UserError
from shortlist.core.files import whole_folder

FILE = "sasrec_sequences.parquet"
_FOLDERS = ("movielens-1m", "ml-1m")
_USERS, _ITEMS, _MEDIAN, _SPREAD, _FEWEST = 6040, 3416, 95, 1.0, 18
"""Of the made-up ones: as many users and items, and histories about as long, as in MovieLens-1M."""


class Sequences(NamedTuple):
    """The items of each user, oldest first; items count from 1."""

    item_n: npt.NDArray[np.int32]
    offsets_U: npt.NDArray[np.int64]

    @property
    def users(self) -> int:
        """How many there are."""
        return len(self.offsets_U) - 1

    def last(self, most: int) -> Sequences:
        """Only the last `most` of each user's."""
        counts_U = np.diff(self.offsets_U)
        place_n = np.arange(len(self.item_n)) - np.repeat(self.offsets_U[:-1], counts_U)
        kept_n = place_n >= np.repeat(counts_U - most, counts_U)
        offsets_U = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(counts_U, most))])
        return Sequences(self.item_n[kept_n], offsets_U)

    def first(self, users: int) -> Sequences:
        """Only those of so many users."""
        offsets_U = self.offsets_U[: users + 1]
        return Sequences(self.item_n[: offsets_U[-1]], offsets_U)


def sequences(options: Options) -> Sequences:
    """Those of the file in the folder that the command names, or made up; UserError where there is no such file."""
    if options.data is None:
        return made_up(options.seed)
    paths = [options.data.expanduser() / folder / FILE for folder in _FOLDERS]
    there = [path for path in paths if path.is_file()]
    if not there:
        raise UserError(
            f"sequence reads {' or '.join(map(str, paths))}, and there is none. Leave --data out to do without."
        )
    lists = pq.read_table(there[0], columns=["sasrec_items"]).column(0).combine_chunks()
    return Sequences(lists.values.to_numpy().astype(np.int32), lists.offsets.to_numpy().astype(np.int64))


def made_up(seed: int, users: int = _USERS, items: int = _ITEMS) -> Sequences:
    """Lengths are log-normal. An item is drawn by Zipf's law, every other time near the one before it."""
    random = np.random.default_rng(seed)
    counts_U = np.maximum(np.exp(random.normal(np.log(_MEDIAN), _SPREAD, users)).astype(np.int64), _FEWEST)
    offsets_U = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts_U)])
    drawn_n = (items ** random.random(offsets_U[-1])).astype(np.int64) - 1
    near_n = np.roll(drawn_n, 1) + random.integers(1, 4, len(drawn_n))
    item_n = np.where(random.random(len(drawn_n)) < 0.5, near_n, drawn_n) % items + 1
    return Sequences(item_n.astype(np.int32), offsets_U)


def write(folder: Path, of: Sequences) -> None:
    """All of it as a log, and as `item.npy` and `offsets.npy` what is trained on, unless they are there.

    The last two of each user are for validation and the test.
    """
    if folder.is_dir():
        return
    counts_U = np.diff(of.offsets_U)
    user_n = np.repeat(np.arange(of.users), counts_U)
    place_n = np.arange(len(of.item_n))
    is_trained_n = place_n < of.offsets_U[1:][user_n] - 2
    with whole_folder(folder) as draft:
        np.save(draft / "item.npy", of.item_n[is_trained_n])
        np.save(draft / "offsets.npy", of.offsets_U - 2 * np.arange(of.users + 1))
        pq.write_table(pa.table({"user": user_n, "item": of.item_n, "time": place_n}), draft / "log.parquet")
