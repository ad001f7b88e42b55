"""Sharded tables on the disk: each process writes what it has, and any number of processes reads it again.

    FOLDER/000007/0.5000.0.5000.16.weight.f32   of table 0 the 5,000 rows from 5,000 on, their 16 columns from 0 on
                  0.5000.0.5000.16.sum.f32      the optimiser's number of each

FOLDER is on a file system that all processes see. Rows go to and from it some at a time.

Legend: r some rows of a file, w its columns, D embedding dim.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from shortlist.core.files import disk_errors
from shortlist.nn.mapped import WEIGHT
from shortlist.nn.ranks import added, agreed, rank
from shortlist.nn.sharded import ShardedTable, sharded_table
from shortlist.training.sharding.collection import Cell, ShardedRows

_NAME = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)\.weight\.f32")
_NUMBERED = re.compile(r"\d{6}")
_BLOCK = 2**16


@dataclass(frozen=True, slots=True)
class _File:
    """What a process wrote of a table."""

    path: Path
    table: int
    row: int
    column: int
    rows: int
    columns: int

    @classmethod
    def of(cls, place: Path, table: ShardedTable, cell: Cell) -> _File:
        geometry = (table.number, cell.row, cell.column, len(cell.weight_hw), cell.columns)
        return cls(place / f"{'.'.join(map(str, geometry))}.weight.f32", *geometry)

    @property
    def sums(self) -> Path:
        return self.path.with_name(self.path.name.replace(".weight.", ".sum."))

    def is_whole(self) -> bool:
        sizes = {self.path: self.rows * self.columns, self.sums: self.rows}
        return all(path.is_file() and path.stat().st_size == 4 * size for path, size in sizes.items())

    def weight_rw(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Some of its rows, counted from its own first one."""
        count = (stop - start) * self.columns
        values = np.fromfile(self.path, np.float32, count, offset=4 * start * self.columns)
        return values.reshape(-1, self.columns)

    def sum_r(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """The optimiser's numbers of these rows."""
        return np.fromfile(self.sums, np.float32, stop - start, offset=4 * start)


class ShardedTables:
    """The sharded tables of a model that is being trained, and what of them belongs to its checkpoints."""

    everywhere = True

    def __init__(self, tables: Sequence[ShardedTable], folder: Path) -> None:
        self._tables = tables
        self.folder = folder
        self._at: int | None = None

    @classmethod
    def of(cls, model: nn.Module, folder: Path) -> ShardedTables | None:
        """Those of a model, if it has some."""
        found = [sharded_table(parameter) for parameter in model.parameters()]
        tables = [table for table in found if table is not None]
        return cls(tables, folder) if tables else None

    def start(self, number: int, best: int | None) -> None:
        """Write this process's part of checkpoint `number`, as the first process counts it, once all have begun."""
        if rank() == 0:
            shutil.rmtree(self._place(number), ignore_errors=True)
            self._place(number).mkdir(parents=True)
        place = self._place(int(agreed(number)))
        with disk_errors(place):
            for table in self._tables:
                for cell in _cells(table):
                    _write(_File.of(place, table, cell), cell)
        # The checkpoint is whole once everybody has written.
        added(torch.zeros(1))

    def forget(self, oldest: int, best: int | None) -> None:
        """Drop what neither the oldest checkpoint that is kept needs, nor the best epoch that it knows of."""
        for path in self.folder.glob("*"):
            if _NUMBERED.fullmatch(path.name) and int(path.name) < oldest and int(path.name) != best:
                shutil.rmtree(path)

    def check(self, number: int) -> None:
        """ValueError where a row of a table is missing at checkpoint `number`, or a file is cut short."""
        for table in self._tables:
            files = list(self._files(number, table))
            held = sum(file.rows * file.columns for file in files if file.is_whole())
            if held != table.rows * table.dim:
                raise ValueError(f"of table {table.number} {held:,} of {table.rows * table.dim:,} numbers are there")

    def go_on(self, number: int, best: int | None) -> None:
        """Be what they were at checkpoint `number`; its processes may have been others, and more or fewer."""
        self.roll_back(number)

    @torch.no_grad()
    def roll_back(self, number: int) -> None:
        """The same. What `keep` leaves is of this checkpoint from now on."""
        self._at = number
        for table in self._tables:
            files = list(self._files(number, table))
            for cell in _cells(table):
                for file in files:
                    _read(file, cell)

    def clear(self) -> None:
        """There is nothing to go on from."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, folder: Path) -> None:
        """Leave the weights in `folder` for `tables_mapped_in(folder, trained=True)`, some rows at a time."""
        assert self._at is not None, "there is no checkpoint that they are of"
        for table in self._tables:
            path = folder / str(table.number) / WEIGHT
            path.parent.mkdir(parents=True)
            with path.open("wb") as target:
                target.truncate(4 * table.rows * table.dim)
            for file in self._files(self._at, table):
                _copy(file, path, table.dim)

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:06d}"

    def _files(self, number: int, table: ShardedTable) -> Iterator[_File]:
        for path in sorted(self._place(number).glob(f"{table.number}.*")):
            match = _NAME.fullmatch(path.name)
            if match is not None:
                yield _File(path, *map(int, match.groups()))


def _cells(table: ShardedTable) -> Sequence[Cell]:
    assert isinstance(table.held, ShardedRows)
    return table.held.cells


def _write(file: _File, cell: Cell) -> None:
    with file.path.open("wb") as weights, file.sums.open("wb") as sums:
        for block in cell.blocks():
            weights.write(_bytes(cell.weight_hw[block, : cell.columns]))
            sums.write(_bytes(cell.sum_h[block]))


def _bytes(values: torch.Tensor) -> Any:
    return values.detach().cpu().contiguous().numpy().data


def _copy(file: _File, path: Path, dim: int) -> None:
    """Write what is in the file at its place in that of the whole table; only some rows are mapped at a time."""
    for start in range(0, file.rows, _BLOCK):
        weight_rw = file.weight_rw(start, min(start + _BLOCK, file.rows))
        offset, shape = 4 * (file.row + start) * dim, (len(weight_rw), dim)
        target_rD = np.memmap(path, np.float32, "r+", offset, shape)
        target_rD[:, file.column : file.column + file.columns] = weight_rw


def _read(file: _File, cell: Cell) -> None:
    """The part of the cell that is in the file."""
    columns = range(max(file.column, cell.column), min(file.column + file.columns, cell.column + cell.columns))
    first, last = max(file.row, cell.row), min(file.row + file.rows, cell.row + len(cell.weight_hw))
    if not columns:
        return
    of_file = slice(columns.start - file.column, columns.stop - file.column)
    of_cell = slice(columns.start - cell.column, columns.stop - cell.column)
    for start in range(first, last, _BLOCK):
        stop = min(start + _BLOCK, last)
        weight_rw = file.weight_rw(start - file.row, stop - file.row)[:, of_file]
        sum_r = file.sum_r(start - file.row, stop - file.row)
        mine = slice(start - cell.row, stop - cell.row)
        cell.weight_hw[mine, of_cell] = torch.from_numpy(weight_rw).to(cell.weight_hw.device)
        cell.sum_h[mine] = torch.from_numpy(sum_r).to(cell.sum_h.device)
