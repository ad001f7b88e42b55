"""Tables that live in files instead of memory: a parameter whose storage is a sparse file mapped into memory.

    FOLDER/0/weight.f32    the first table that a model makes, row after row
             marks.i32     of each row whether, and since when, it has been changed
             state.*.f32   what the optimiser keeps of each row
             journal/      what rows were before they changed
           1/...

Only the pages of rows that are used are read, and the kernel may drop them again: the memory that a process cannot do
without does not grow with the table. A row takes its initial value when training first meets it. One that it never met
is zeros, in the file as to who asks: a value that was not in the training rows adds nothing.

Legend: N rows of a table, R some of them, D embedding dim, W numbers of a row with its state.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from shortlist.core.files import link_or_copy
from shortlist.nn.beginning import Beginning
from shortlist.nn.journal import NO_BEST, Journal, Record
from shortlist.nn.map_file import map_file

WEIGHT = "weight.f32"
_MARKS = "marks.i32"
_STATE = "state.{}.f32"
_FILE, _TABLE = "_mapped_file", "_mapped_table"
State = dict[str, Tensor]


class MappedTable:
    """A table in files of its own, that can go back to what it was at an earlier checkpoint.

    Mark 0: nobody has asked for the row, and it is zeros. Below 0: it has its initial value. Above 0: it has been
    updated, and has state. The number without its sign is 1 + the checkpoint whose journal has the row last.
    """

    def __init__(self, folder: Path, rows: int, dim: int, beginning: Beginning) -> None:
        self.folder = folder
        self.rows, self.dim = rows, dim
        self.beginning = beginning
        self.journal = Journal(folder / "journal")
        weight_ND = map_file(folder / WEIGHT, (rows, dim))
        self.parameter = _parameter(weight_ND, folder / WEIGHT)
        """What the model looks rows up in."""
        # A tensor of its own: autograd must not take a row that begins for a change of what it has kept.
        self._weight_ND = torch.from_numpy(weight_ND)
        self._mark_N = torch.from_numpy(map_file(folder / _MARKS, (rows,), np.int32))
        self._state: State = {}

    @torch.no_grad()
    def begin(self, rows: Tensor) -> None:
        """Give those of the rows their initial values that do not have them yet; a row may come several times."""
        if self.beginning.is_zero:
            return
        rows = rows.reshape(-1)
        fresh_R = rows[self._mark_N.index_select(0, rows) == 0].unique().long()
        if not len(fresh_R):
            return
        self._record(fresh_R, torch.zeros(len(fresh_R), dtype=torch.int32), [])
        vectors_RD = self.beginning.vectors(fresh_R.numpy(), self.dim)
        self._weight_ND.index_copy_(0, fresh_R, torch.from_numpy(vectors_RD))
        self._mark_N.index_fill_(0, fresh_R, -self._mark)

    def take(self, rows_R: Tensor, start: Callable[[Tensor], Mapping[str, Tensor]]) -> tuple[Tensor, State]:
        """Copies weight_RD of distinct rows and of their state, both to be changed and given to `put`.

        `start` makes of weights the state that rows begin with; the scalars in it are not the table's affair.
        """
        weight_RD = self._weight_ND.index_select(0, rows_R)
        for name, value in start(weight_RD[:0]).items():
            if value.dim() and name not in self._state:
                path = self.folder / _STATE.format(name)
                self._state[name] = torch.from_numpy(map_file(path, (self.rows, *value.shape[1:])))
        state = {name: whole.index_select(0, rows_R) for name, whole in self._state.items()}
        mark_R = self._mark_N.index_select(0, rows_R)
        self._record_where(mark_R == 0, rows_R, mark_R, [])
        values = [weight_RD, *(part for _, part in sorted(state.items()))]
        self._record_where((mark_R != 0) & (mark_R.abs() != self._mark), rows_R, mark_R, values)
        new_R = (mark_R <= 0).nonzero().flatten()
        if len(new_R):
            started = start(weight_RD.index_select(0, new_R))
            for name, part in state.items():
                part.index_copy_(0, new_R, started[name])
        return weight_RD, state

    def put(self, rows_R: Tensor, weight_RD: Tensor, state: Mapping[str, Tensor]) -> None:
        """Write the rows that `take` gave, as they are now."""
        self._weight_ND.index_copy_(0, rows_R, weight_RD)
        for name, part in state.items():
            self._state[name].index_copy_(0, rows_R, part)
        self._mark_N.index_fill_(0, rows_R, self._mark)

    def roll_back(self, number: int) -> None:
        """Make the table what it was at checkpoint `number`."""
        mark_N = self._mark_N.numpy()
        parts = [self._weight_ND.numpy(), *(self._two_axes(path) for path in self._state_files())]
        ends = np.cumsum([part.shape[1] for part in parts])
        for record in self.journal.since(number):
            values = np.split(record.values_RW, ends[:-1], axis=1) if record.values_RW.shape[1] else [0.0] * len(parts)
            for part, value in zip(parts, values, strict=True):
                part[record.rows_R] = value
            mark_N[record.rows_R] = record.marks_R

    def clear(self) -> None:
        """Make the table what it was when it was new."""
        self.journal.start(0, NO_BEST)
        self._state = {}
        for path in self._state_files():
            path.unlink()
        for path in (self.folder / WEIGHT, self.folder / _MARKS):
            size = path.stat().st_size
            with path.open("r+b") as file:
                # What is mapped shows the zeros at once.
                file.truncate(0)
                file.truncate(size)

    @property
    def _mark(self) -> int:
        return self.journal.number + 1

    def _state_files(self) -> list[Path]:
        """In the order in which the journal has the state."""
        return sorted(self.folder.glob(_STATE.format("*")))

    def _two_axes(self, path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return map_file(path, (self.rows, path.stat().st_size // (4 * self.rows)))

    def _record_where(self, chosen_R: Tensor, rows_R: Tensor, mark_R: Tensor, values: list[Tensor]) -> None:
        of = chosen_R.nonzero().flatten()
        if len(of):
            self._record(rows_R[of], mark_R[of], [value.index_select(0, of) for value in values])

    def _record(self, rows_R: Tensor, mark_R: Tensor, values: list[Tensor]) -> None:
        """Values are what rows were, with their state; none of rows that were zeros."""
        flat = [value.reshape(len(rows_R), -1) for value in values] or [torch.empty(len(rows_R), 0)]
        self.journal.append(Record(rows_R.numpy(), mark_R.numpy(), torch.cat(flat, dim=1).numpy()))


class MappedTables:
    """The mapped tables of a model that is being trained; it may have none."""

    everywhere = False

    def __init__(self, tables: Sequence[MappedTable] = ()) -> None:
        self._tables = tables

    @classmethod
    def of(cls, model: nn.Module) -> MappedTables:
        """Those of a model."""
        found = [mapped_table(parameter) for parameter in model.parameters()]
        return cls([table for table in found if table is not None])

    def start(self, number: int, best: int | None) -> None:
        """Checkpoint `number` is about to be written: note what changes after it. `best` is the best epoch's."""
        for table in self._tables:
            table.journal.start(number, NO_BEST if best is None else best)

    def forget(self, oldest: int, best: int | None) -> None:
        """Checkpoints before `oldest` are gone, but for that of the best epoch that it knows of."""
        for table in self._tables:
            table.journal.forget(oldest, NO_BEST if best is None else best)

    def roll_back(self, number: int) -> None:
        """Make the tables what they were at checkpoint `number`."""
        for table in self._tables:
            table.roll_back(number)

    def go_on(self, number: int, best: int | None) -> None:
        """Train on from checkpoint `number`."""
        self.roll_back(number)
        self.start(number, best)

    def check(self, number: int) -> None:
        """What belongs to a checkpoint is in the journals, which are whole or absent."""

    def clear(self) -> None:
        """Make the tables what they were when they were new."""
        for table in self._tables:
            table.clear()

    def keep(self, folder: Path) -> None:
        """Leave the weights in `folder` for `tables_mapped_in(folder, trained=True)`, on the disk but once."""
        for table in self._tables:
            place = folder / table.folder.name
            place.mkdir(parents=True)
            link_or_copy(table.folder / WEIGHT, place / WEIGHT)


NO_TABLES = MappedTables()


@dataclass(frozen=True)
class _Here:
    """Where the next tables go."""

    places: Iterator[Path]
    trained: bool


_here: ContextVar[_Here | None] = ContextVar("_here", default=None)


@contextlib.contextmanager
def tables_mapped_in(folder: Path, trained: bool = False) -> Iterator[None]:
    """Tables of models that are built in this block are files in `folder`, numbered in the order they are made in.

    `trained` ones are there already, and are only read; one that has no folder is in memory.
    """
    token = _here.set(_Here((folder / str(number) for number in itertools.count()), trained))
    try:
        yield
    finally:
        _here.reset(token)


def table_weight(rows: int, dim: int, beginning: Beginning) -> nn.Parameter:
    """The parameter of a new table: in memory, or in a file within `tables_mapped_in`."""
    here = _here.get()
    if here is None or rows == 0:
        return _in_memory(rows, dim, beginning)
    folder = next(here.places)
    if here.trained and not folder.is_dir():
        return _in_memory(rows, dim, beginning)
    if here.trained:
        return _parameter(map_file(folder / WEIGHT, (rows, dim), read_only=True), folder / WEIGHT)
    table = MappedTable(folder, rows, dim, beginning)
    setattr(table.parameter, _TABLE, table)
    return table.parameter


def _in_memory(rows: int, dim: int, beginning: Beginning) -> nn.Parameter:
    weight_ND = torch.empty(rows, dim)
    beginning.fill(weight_ND.numpy())
    return nn.Parameter(weight_ND)


def _parameter(weight_ND: np.ndarray[tuple[int, ...], np.dtype[np.float32]], path: Path) -> nn.Parameter:
    with warnings.catch_warnings():
        # Nobody trains a table that is there to be read.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        parameter = nn.Parameter(torch.from_numpy(weight_ND))
    setattr(parameter, _FILE, path)
    return parameter


def mapped_table(parameter: Tensor) -> MappedTable | None:
    """The mapped table of a parameter, if it has one that can be trained."""
    return getattr(parameter, _TABLE, None)


def mapped_file(parameter: Tensor) -> Path | None:
    """The file that a parameter's values lie in, row after row, if they do."""
    return getattr(parameter, _FILE, None)
