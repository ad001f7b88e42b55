"""Tables whose rows lie with several processes: what a model sees of them.

A look-up asks for its distinct rows, each once, and goes on with their vectors as with a small table of its own. Whose
rows they are, how they travel and how they learn is not the model's affair: `shortlist.training.sharding` has it done.

Legend: R distinct rows of a look-up, D embedding dim.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from shortlist.nn.beginning import Beginning
from shortlist.recipe.sections import Sharding

_TABLE = "_sharded_table"


class Rows(Protocol):
    """The rows of a table, wherever they are."""

    def vectors(self, rows_R: Tensor, learn: bool) -> Tensor:
        """vectors_RD of distinct rows in ascending order; every process has to ask at once, if only for none.

        With `learn` they are a leaf: its gradient is that of the rows, and changes them at the next step.
        """


class ShardedTable:
    """A table of which this process has a part, or nothing."""

    def __init__(
        self, number: int, rows: int, dim: int, starts: Sequence[int], beginning: Beginning, sharding: Sharding
    ) -> None:
        """`number`: its place among the model's tables. `starts`: the first row of each of its columns."""
        self.number = number
        self.rows, self.dim = rows, dim
        self.starts = tuple(starts)
        self.beginning = beginning
        self.sharding = sharding
        self.parameter = nn.Parameter(torch.empty(0, dim))
        """Stands in the model for the table: it says the dim, the type and the device."""
        setattr(self.parameter, _TABLE, self)
        self.held: Rows | None = None
        """Given once it is known how they learn."""

    def found(self, rows: Tensor, learn: bool) -> tuple[Tensor, Tensor]:
        """vectors_RD of the distinct ones among rows of any shape, and for each its place among them."""
        assert self.held is not None, "tables are sharded by build_optimisers"
        rows_R, place = rows.long().unique(return_inverse=True)
        return self.held.vectors(rows_R, learn and torch.is_grad_enabled()), place

    def stay_whole(self) -> None:
        """Become a table like any other, that every process has all of."""
        weight_ND = torch.empty(self.rows, self.dim)
        self.beginning.fill(weight_ND.numpy())
        self.parameter.data = weight_ND.to(self.parameter.device)
        delattr(self.parameter, _TABLE)


@dataclass(frozen=True)
class _Here:
    """How the next tables are sharded."""

    sharding: Sharding
    numbers: Iterator[int]


_here: ContextVar[_Here | None] = ContextVar("_here", default=None)


@contextlib.contextmanager
def tables_sharded(sharding: Sharding) -> Iterator[None]:
    """Tables of models that are built in this block take no memory until `build_optimisers` parts them."""
    token = _here.set(_Here(sharding, itertools.count()))
    try:
        yield
    finally:
        _here.reset(token)


def sharded_weight(rows: int, dim: int, starts: Sequence[int], beginning: Beginning) -> nn.Parameter | None:
    """What stands for a new table within `tables_sharded`; None elsewhere."""
    here = _here.get()
    if here is None or rows == 0:
        return None
    return ShardedTable(next(here.numbers), rows, dim, starts, beginning, here.sharding).parameter


def sharded_table(parameter: Tensor) -> ShardedTable | None:
    """The sharded table of a parameter, if it stands for one."""
    return getattr(parameter, _TABLE, None)
