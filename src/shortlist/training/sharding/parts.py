"""Which rows of a table lie with which process, and where there.

The rows of a table stand in the order of its columns of the data, those of a column mostly the most frequent first: in
contiguous blocks, nearly all look-ups would go to one or two processes. So rows are dealt out in turn, like cards:

    7 rows to 3 processes     0 3 6 | 1 4 - | 2 5 -     the places without a row make all blocks equal

TorchRec parts contiguous blocks. It is asked for the place of a row in these, and everything else speaks of rows.

Legend: R rows of a look-up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a table that TorchRec takes for a table."""

    rows: range
    owner: int | None
    """The process that has all of it; None where it is parted further."""
    processes: int = 1
    """Its rows are dealt out to as many."""

    @property
    def block(self) -> int:
        """The places of each process."""
        return -(-len(self.rows) // self.processes)

    @property
    def places(self) -> int:
        """What TorchRec takes for the number of rows."""
        return self.block * self.processes

    def place(self, row_R: Tensor) -> Tensor:
        """Where rows lie, counted from the first one of the part."""
        return row_R % self.processes * self.block + row_R // self.processes

    def held_at(self, place: int) -> range:
        """The rows, in order, of the process whose block begins at the place."""
        return self.rows[place // self.block :: self.processes]


def common(one: range, other: range) -> range:
    """The rows that are in both; each goes up by its step."""
    since = one[max(0, -(-(other.start - one.start) // one.step)) :]
    start = next((row for row in since[: other.step] if row in other), None)
    if start is None:
        return range(0)
    return range(start, min(one.stop, other.stop), math.lcm(one.step, other.step))


def within(rows: range, some: range) -> slice:
    """Where some of the rows stand among all; at least one."""
    return slice(rows.index(some[0]), rows.index(some[-1]) + 1, some.step // rows.step)
