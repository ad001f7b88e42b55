"""Sharded tables on the disk: each process writes what it has, and any number of processes reads it again.

    FOLDER/000007/0.1.2.5000.0.16.weight.f32   of table 0 5,000 rows, every 2nd from row 1 on; 16 columns from 0 on
                  0.1.2.5000.0.16.sum.f32      the optimiser's number of each

FOLDER is on a file system that all processes see; no two write to one file, for not every such system keeps apart what
different hosts write to one page. Rows go to and from it some at a time.

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
from shortlist.nn.ranks import RankLost, added, agreed, rank
from shortlist.nn.sharded import ShardedTable, sharded_table
from shortlist.training.sharding.collection import Cell, ShardedRows
from shortlist.training.sharding.parts import common, within

_NAME = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)\.weight\.f32")
_NUMBERED = re.compile(r"\d{6}")
_BLOCK = 2**16


@dataclass(frozen=True, slots=True)
class _File:
    """What a process wrote of a table."""

    path: Path
    rows: range
    column: int
    columns: int

    @classmethod
    def of(cls, place: Path, table: ShardedTable, cell: Cell) -> _File:
        rows = cell.rows
        geometry = (table.number, rows.start, rows.step, len(rows), cell.column, cell.columns)
        return cls(place / f"{'.'.join(map(str, geometry))}.weight.f32", rows, cell.column, cell.columns)

    @classmethod
    def named(cls, path: Path) -> _File | None:
        """What is there by its name, if that is one of these."""
        match = _NAME.fullmatch(path.name)
        if match is None:
            return None
        _, first, step, rows, column, columns = map(int, match.groups())
        return cls(path, range(first, first + rows * step, step), column, columns)

    @property
    def sums(self) -> Path:
        return self.path.with_name(self.path.name.replace(".weight.", ".sum."))

    def is_whole(self) -> bool:
        sizes = {self.path: len(self.rows) * self.columns, self.sums: len(self.rows)}
        return all(path.is_file() and path.stat().st_size == 4 * size for path, size in sizes.items())

    def weight_rw(self, rows: range) -> npt.NDArray[np.float32]:
        """Some of its rows."""
        at = within(self.rows, rows)
        count = (at.stop - at.start) * self.columns
        values = np.fromfile(self.path, np.float32, count, offset=4 * at.start * self.columns)
        return values.reshape(-1, self.columns)[:: at.step]

    def sum_r(self, rows: range) -> npt.NDArray[np.float32]:
        """The optimiser's numbers of these rows."""
        at = within(self.rows, rows)
        return np.fromfile(self.sums, np.float32, at.stop - at.start, offset=4 * at.start)[:: at.step]


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
        """Write this process's part of checkpoint `number`, as the first process counts it, once all have begun.

        It is whole once everybody has written; where one of them cannot, all of it is removed.
        """
        if rank() == 0:
            shutil.rmtree(self._place(number), ignore_errors=True)
            with disk_errors(self.folder):
                self._place(number).mkdir(parents=True)
        place = self._place(int(agreed(number)))
        error = self._write(place)
        if float(added(torch.tensor([float(error is not None)]))) > 0:
            # Nobody writes there any more.
            shutil.rmtree(place, ignore_errors=True)
            raise error or RankLost("a process that trains with this one could not write its part of a checkpoint")

    def _write(self, place: Path) -> Exception | None:
        """Write this process's part; what that failed of, for the others wait to hear of it."""
        try:
            with disk_errors(place):
                for table in self._tables:
                    for cell in _cells(table):
                        _write(_File.of(place, table, cell), cell)
        except Exception as error:
            return error
        return None

    def forget(self, oldest: int, best: int | None) -> None:
        """Drop what neither the oldest checkpoint that is kept needs, nor the best epoch that it knows of."""
        for path in self.folder.glob("*"):
            if _NUMBERED.fullmatch(path.name) and int(path.name) < oldest and int(path.name) != best:
                shutil.rmtree(path)

    def check(self, number: int) -> None:
        """ValueError where a row of a table is missing at checkpoint `number`, or a file is cut short."""
        for table in self._tables:
            files = list(self._files(number, table))
            held = sum(len(file.rows) * file.columns for file in files if file.is_whole())
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
        """There is nothing to go on from; the first process removes what lies there, for all."""
        if rank() == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, folder: Path) -> None:
        """Leave the weights in `folder` for `tables_mapped_in(folder, trained=True)`, some rows at a time."""
        assert self._at is not None, "there is no checkpoint that they are of"
        for table in self._tables:
            path = folder / str(table.number) / WEIGHT
            path.parent.mkdir(parents=True)
            files = list(self._files(self._at, table))
            with path.open("wb") as target:
                for start in range(0, table.rows, _BLOCK):
                    rows = range(start, min(start + _BLOCK, table.rows))
                    target.write(_whole(files, rows, table.dim).data)

    def _place(self, number: int) -> Path:
        return self.folder / f"{number:06d}"

    def _files(self, number: int, table: ShardedTable) -> Iterator[_File]:
        for path in sorted(self._place(number).glob(f"{table.number}.*")):
            file = _File.named(path)
            if file is not None:
                yield file


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


def _whole(files: Sequence[_File], rows: range, dim: int) -> npt.NDArray[np.float32]:
    """Some rows of a table, of what each file has of them."""
    whole_rD = np.empty((len(rows), dim), np.float32)
    for file in files:
        some = common(file.rows, rows)
        if some:
            whole_rD[within(rows, some), file.column : file.column + file.columns] = file.weight_rw(some)
    return whole_rD


def _read(file: _File, cell: Cell) -> None:
    """The part of the cell that is in the file."""
    columns = range(max(file.column, cell.column), min(file.column + file.columns, cell.column + cell.columns))
    both = common(file.rows, cell.rows)
    if not columns or not both:
        return
    of_file = slice(columns.start - file.column, columns.stop - file.column)
    of_cell = slice(columns.start - cell.column, columns.stop - cell.column)
    # What lies between them in the file is read, too.
    at_once = max(1, _BLOCK * file.rows.step // both.step)
    for start in range(0, len(both), at_once):
        some = both[start : start + at_once]
        mine = within(cell.rows, some)
        weight_rw, sum_r = file.weight_rw(some)[:, of_file], file.sum_r(some)
        cell.weight_hw[mine, of_cell] = torch.from_numpy(weight_rw).to(cell.weight_hw.device)
        cell.sum_h[mine] = torch.from_numpy(sum_r).to(cell.sum_h.device)
