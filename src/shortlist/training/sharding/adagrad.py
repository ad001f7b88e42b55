"""Row-wise Adagrad of sharded tables, as the recipe asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from torch.optim.optimizer import Optimizer

from shortlist.core.errors import UserError
from shortlist.nn.ranks import world
from shortlist.nn.sharded import ShardedTable
from shortlist.recipe.training import Optimiser
from shortlist.training.sharding.collection import LANE, ShardedRows
from shortlist.training.sharding.parts import Part

_FUSED = "rowwise_adagrad"


class ShardedRowWiseAdagrad(Optimizer):
    """`RowWiseAdagrad` whose steps FBGEMM takes, each process those of its rows.

    Its parameters only stand for the tables; what it knows of their rows lies beside those.
    """

    def __init__(self, tables: Sequence[ShardedTable], rows: Sequence[ShardedRows], lr: float) -> None:
        super().__init__([table.parameter for table in tables], {"lr": lr})
        self._rows = rows

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget what was looked up."""
        super().zero_grad(set_to_none)
        for rows in self._rows:
            rows.forget()

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update the rows that were looked up; every process has to step."""
        assert closure is None, "nothing is looked up again"
        (group,) = self.param_groups
        for rows in self._rows:
            rows.update(group["lr"])
        return None


def sharded_adagrad(tables: Sequence[ShardedTable], choice: Optimiser) -> ShardedRowWiseAdagrad:
    """Part the tables among the processes, with their optimiser; UserError where that cannot be."""
    if choice.name != _FUSED:
        raise UserError(
            f'compute.embeddings = "torchrec" has row-wise Adagrad fused into its tables: expected {_FUSED} for the '
            f'group `embedding`, found {choice.name}. Choose it, or set compute.embeddings = "memory".'
        )
    parts = _parts(tables)
    rows = [ShardedRows(table, of_table, choice.lr, choice.l2) for table, of_table in zip(tables, parts, strict=True)]
    for table, held in zip(tables, rows, strict=True):
        table.held = held
    return ShardedRowWiseAdagrad(tables, rows, choice.lr)


def _parts(tables: Sequence[ShardedTable]) -> list[list[Part]]:
    """What TorchRec takes for tables. By table it is each column of the data, the largest first to who has least."""
    held = [0] * world()

    def owner(size: int) -> int:
        least = held.index(min(held))
        held[least] += size
        return least

    columns = {(place, start): stop - start for place, table in enumerate(tables) for start, stop in _columns(table)}
    owners = {
        key: owner(columns[key] * tables[key[0]].dim)
        for key in sorted(columns, key=lambda key: -columns[key] * tables[key[0]].dim)
    }
    return [
        [Part(range(start, start + rows), owners[place, start]) for (of, start), rows in columns.items() if of == place]
        if table.sharding == "table_wise" or table.rows < world()
        else [_parted(table)]
        for place, table in enumerate(tables)
    ]


def _columns(table: ShardedTable) -> list[tuple[int, int]]:
    """Where each column of the data begins and ends."""
    return list(zip(table.starts, [*table.starts[1:], table.rows], strict=True))


def _parted(table: ShardedTable) -> Part:
    if table.sharding == "column_wise" and world() > 1 and table.dim % (LANE * world()):
        raise UserError(
            f'compute.sharding = "column_wise" gives each of {world()} processes as many columns of a table, in fours: '
            f"expected a multiple of {LANE * world()}, found a table of {table.dim}. Choose such an embedding_dim "
            '(some models add columns of their own), or sharding = "row_wise".'
        )
    return Part(range(table.rows), None, world() if table.sharding == "row_wise" else 1)
