"""Adding up the gradients of all ranks, so that each takes the step that one process would take of the whole batch.

Dense gradients are summed in one all-reduce. Of a table only the rows that a rank looked up travel: their numbers and
the sum of the gradients of each. Every rank gets the rows of all, in the order of the ranks, and its optimiser adds up
what is of one row: the sums, and so the weights, are the same on all of them.

Legend: P parameters, S of them tables with sparse gradients, R rows that a rank touched, N those of all ranks, D dim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from shortlist.core.profile import span
from shortlist.nn.ranks import added, all_gathered, gathered, world
from shortlist.training.touched import TouchedRows, touched_rows

_NONE, _SPARSE, _DENSE = 0, 1, 2
"""What kind of gradient a parameter has; of those that the ranks have, the highest is taken."""
_MOST_NARROW = 2**31


@torch.no_grad()
def exchange(parameters: Iterable[nn.Parameter]) -> None:
    """Let every gradient be the sum of those of all ranks, which have the same parameters in the same order.

    A parameter that no rank has a gradient of is left without.
    """
    if world() == 1:
        return
    with span("communicate"):
        members = list(parameters)
        touched = [_touched(parameter) for parameter in members]
        facts = [[_kind(p), len(rows.rows_R)] for p, rows in zip(members, touched, strict=True)]
        told = torch.stack([found.cpu() for found in all_gathered(torch.tensor(facts))])
        kind_P = told[:, :, 0].amax(0).tolist()
        _add_dense([p for p, kind in zip(members, kind_P, strict=True) if kind == _DENSE])
        tables = [place for place, kind in enumerate(kind_P) if kind == _SPARSE]
        if tables:
            counts = told[:, tables, 1].tolist()
            _join_rows([members[place] for place in tables], [touched[place] for place in tables], counts)


def _kind(parameter: nn.Parameter) -> int:
    if parameter.grad is None:
        return _NONE
    return _SPARSE if parameter.grad.is_sparse else _DENSE


def _touched(parameter: nn.Parameter) -> TouchedRows:
    """The rows that this rank touched, each once; none where its gradient is not sparse."""
    if _kind(parameter) != _SPARSE:
        rows_0 = torch.zeros(0, dtype=torch.int64, device=parameter.device)
        return TouchedRows(rows_0, parameter.new_zeros((0, *parameter.shape[1:])))
    assert parameter.grad is not None
    return touched_rows(parameter.grad)


def _add_dense(parameters: Sequence[nn.Parameter]) -> None:
    """All of them in one vector."""
    if not parameters:
        return
    gradients = [_dense(parameter) for parameter in parameters]
    summed = added(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = summed.split([gradient.numel() for gradient in gradients])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def _dense(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad


def _join_rows(tables: Sequence[nn.Parameter], touched: Sequence[TouchedRows], counts: list[list[int]]) -> None:
    """Give each table the rows that all ranks touched, one rank's after another's.

    `counts` says how many each rank has of each table. The rows of all tables travel together.
    """
    is_narrow = all(len(table) < _MOST_NARROW for table in tables)
    mine_R = torch.cat([rows.rows_R for rows in touched]).to(torch.int32 if is_narrow else torch.int64)
    rows = _by_table(mine_R, counts, [1] * len(tables))
    values = _by_table(
        torch.cat([rows.gradient_RD.flatten() for rows in touched]), counts, [table[0].numel() for table in tables]
    )
    for table, rows_N, value_n in zip(tables, rows, values, strict=True):
        gradient_ND = value_n.view(-1, *table.shape[1:])
        table.grad = torch.sparse_coo_tensor(rows_N.long()[None], gradient_ND, table.shape, check_invariants=False)


def _by_table(mine: Tensor, counts: list[list[int]], widths: Sequence[int]) -> list[Tensor]:
    """Every rank's numbers, put together for each table; a row has as many of them as the table's width."""
    sizes = [[count * width for count, width in zip(of_rank, widths, strict=True)] for of_rank in counts]
    found = gathered(mine, [sum(of_rank) for of_rank in sizes])
    parts = [numbers.split(of_rank) for numbers, of_rank in zip(found, sizes, strict=True)]
    return [torch.cat(of_table) for of_table in zip(*parts, strict=True)]
