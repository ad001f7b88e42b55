"""An undo journal: what rows of a table were before they changed, so that the table can go back to an earlier time.

    FOLDER/000007.first   rows that changed after checkpoint 7, and had not since the best epoch's checkpoint
           000007.again   the other rows that changed after checkpoint 7

A row stands in the journal of a checkpoint once: as it was at that checkpoint. What changed again since the best epoch
is needed for going on after a crash alone, and goes with its checkpoint; so what is kept for the best epoch never has
more rows than the table.

A record is written before the table is: whenever the process is killed, all that changed is in the journal. Memory that
a killed process had written into its files is not lost; a machine that loses power may lose it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from shortlist.core.files import disk_errors
from shortlist.nn.beginning import Rows

NO_BEST = -1
_NUMBERED = re.compile(r"(?P<number>\d{6,})\.(first|again)")


@dataclass(frozen=True, slots=True)
class Record:
    """Rows that changed, with what they were."""

    rows_R: Rows
    marks_R: npt.NDArray[np.int32]
    values_RW: npt.NDArray[np.float32]
    """W is 0 for rows of which nothing was known before."""


class Journal:
    """The journals of one table: that of the newest checkpoint is written, the older ones are kept while needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        """The checkpoint after which changes are recorded now; 0 is the time before the first."""
        self.best = NO_BEST
        """The best epoch's checkpoint."""
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, number: int, best: int) -> None:
        """From now on record changes after checkpoint `number`, nothing of which has changed yet."""
        self.number, self.best = number, best
        # The newest first: what a killed process leaves then still leads back to this checkpoint.
        for found, path in sorted(self._files(), reverse=True):
            if found >= number:
                path.unlink()

    def append(self, record: Record) -> None:
        """Write down rows that are about to change, and that this checkpoint's journal does not have yet.

        Their mark is 1 + the checkpoint whose journal has them last, perhaps negative; 0 where none has.
        """
        is_first_R = np.abs(record.marks_R) <= self.best
        for name, of in (("first", is_first_R), ("again", ~is_first_R)):
            count = np.count_nonzero(of)
            if count == len(of):
                self._write(name, record)
            elif count:
                self._write(name, Record(record.rows_R[of], record.marks_R[of], record.values_RW[of]))

    def since(self, number: int) -> Iterator[Record]:
        """What was recorded after checkpoint `number`, the newest journal first."""
        for found, path in sorted(self._files(), reverse=True):
            if found >= number:
                yield from _records(path)

    def forget(self, oldest: int, best: int) -> None:
        """Drop what neither the oldest checkpoint that is kept needs, nor the best epoch that it knows of."""
        for found, path in self._files():
            needed = path.suffix == ".first" and best != NO_BEST and found >= best
            if found < oldest and not needed:
                path.unlink()

    def _write(self, name: str, record: Record) -> None:
        path = self.folder / f"{self.number:06d}.{name}"
        head = np.array(record.values_RW.shape, np.int64)
        with disk_errors(path), path.open("ab") as file:
            for part in (head, record.rows_R, record.marks_R, record.values_RW):
                file.write(np.ascontiguousarray(part).data)

    def _files(self) -> list[tuple[int, Path]]:
        """The journals with the numbers of their checkpoints."""
        named = [(_NUMBERED.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return [(int(match["number"]), path) for match, path in named if match]


def _records(path: Path) -> Iterator[Record]:
    """The records of a file; the last one is left out where the process was killed while writing it."""
    with path.open("rb") as file:
        while True:
            head = _read(file, np.dtype(np.int64), (2,))
            rows, width = head if head is not None else (0, 0)
            rows_R = _read(file, np.dtype(np.int64), (rows,))
            marks_R = _read(file, np.dtype(np.int32), (rows,))
            values_RW = _read(file, np.dtype(np.float32), (rows, width))
            if head is None or rows_R is None or marks_R is None or values_RW is None:
                return
            yield Record(rows_R, marks_R, values_RW)


def _read(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    """The next values of a file, None if it ends before them."""
    size = dtype.itemsize * int(np.prod(shape))
    found = file.read(size)
    return np.frombuffer(found, dtype).reshape(shape) if len(found) == size else None
