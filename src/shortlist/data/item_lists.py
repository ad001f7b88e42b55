"""Logs that are published as lists of items: a line for each user, with the items in the order of choice or in none.

NGCF (Wang et al., SIGIR 2019) and LightGCN (He et al., SIGIR 2020) have Gowalla in this form, S3-Rec (Zhou et al., CIKM
2020) has Amazon Beauty, and SASRec (Kang and McAuley, ICDM 2018) MovieLens-1M, an event in each line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.core.errors import DataError
from shortlist.core.files import whole_file

GOWALLA = ("train.txt", "test.txt")
BEAUTY = ("Beauty.txt",)
MOVIELENS = ("ml-1m.txt",)
_Numbers = npt.NDArray[np.int64]


def convert_gowalla(folder: Path) -> list[Path]:
    """Write train.parquet and test.parquet: `user` and `item`. DataError for a line of other form."""
    written = []
    for file in GOWALLA:
        owners, items = _flat(_lines(folder / file))
        written.append(write_table(folder / f"{Path(file).stem}.parquet", pa.table({"user": owners, "item": items})))
    return written


def convert_beauty(folder: Path) -> list[Path]:
    """Write interactions.parquet: `user`, `item` and `position`, from 1 on. DataError for a line of other form."""
    owners, items = _flat(_lines(folder / BEAUTY[0]))
    return [write_table(folder / "interactions.parquet", in_order(owners, items))]


def convert_movielens_sequences(folder: Path) -> list[Path]:
    """The same, of a file with a user and one item in each line, a user's oldest first."""
    lines = _lines(folder / MOVIELENS[0])
    if wrong := next((number for number, line in enumerate(lines, start=1) if len(line) != 2), 0):
        raise _other_form(folder / MOVIELENS[0], wrong, "a user and an item, such as `1 1193`")
    owners, items = _flat(lines)
    return [write_table(folder / "interactions.parquet", in_order(owners, items))]


def in_order(owners: _Numbers, items: _Numbers, owner: str = "user") -> pa.Table:
    """A row for each item: its owner, the item, and its position among the owner's, which begins with 1.

    The position stands for the time: it orders an owner's events, and says nothing of how long ago they were.
    """
    order = np.argsort(owners, kind="stable")
    starts = np.flatnonzero(np.diff(owners[order], prepend=owners[order][:1] - 1))
    position = np.empty(len(owners), np.int64)
    position[order] = 1 + np.arange(len(owners)) - np.repeat(starts, np.diff(starts, append=len(owners)))
    return pa.table({owner: owners, "item": items, "position": position})


def write_table(path: Path, table: pa.Table) -> Path:
    """Write it, whole or not at all."""
    with whole_file(path) as draft:
        pq.write_table(table, draft)
    return path


def _lines(path: Path) -> list[_Numbers]:
    """The whole numbers of each line that has any."""
    lines = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            values = np.array(line.split(), np.int64)
        except ValueError as error:
            raise _other_form(path, number, "whole numbers, such as `0 12 7 51`") from error
        if len(values):
            lines.append(values)
    return lines


def _flat(lines: Sequence[_Numbers]) -> tuple[_Numbers, _Numbers]:
    """The first number of its line beside each of the others."""
    owners = np.array([line[0] for line in lines], np.int64)
    items = [np.zeros(0, np.int64), *(line[1:] for line in lines)]
    return np.repeat(owners, [len(line) - 1 for line in lines]), np.concatenate(items)


def _other_form(path: Path, line: int, expected: str) -> DataError:
    return DataError(f"{path}, line {line}: expected {expected}, found something else. Fetch the file again.")
