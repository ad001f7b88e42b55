"""Optimisers from the recipe: one for each parameter group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from shortlist.core.errors import UserError
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.groups import Group, grouped
from shortlist.nn.mapped import mapped_table
from shortlist.nn.sharded import ShardedTable, sharded_table
from shortlist.recipe.training import Optimiser
from shortlist.training.adagrad import Adagrad
from shortlist.training.adamw import AdamW
from shortlist.training.ftrl import FTRL
from shortlist.training.rowwise_adagrad import RowWiseAdagrad
from shortlist.training.sharding.adagrad import sharded_adagrad
from shortlist.training.sparse_adam import SparseAdam

_BY_ROWS = ("rowwise_adagrad", "adagrad", "sparse_adam", "ftrl")
"""Optimisers that keep to the batch's rows, and whose state may lie in files beside a mapped table."""


def build_optimisers(model: nn.Module, choices: Mapping[Group, Optimiser]) -> list[torch.optim.Optimizer]:
    """One optimiser for each group that has parameters; tables of groups that can do so get sparse gradients.

    Sharded tables are parted here, as they learn by an optimiser that is TorchRec's; those of another group than
    `embedding` become whole ones.

    Raises:
        UserError: the model has parameters of a group for which there is no choice.
    """
    members: dict[Group, list[nn.Parameter]] = {}
    for group, parameter in grouped(model):
        members.setdefault(group, []).append(parameter)
    for group in members:
        if group not in choices:
            raise UserError(
                f"{type(model).__name__} has parameters of the group `{group}`, and its stage has optimisers for "
                f"{', '.join(f'`{known}`' for known in choices)} alone. Use a model of that stage, or build this one "
                "of layers of those groups."
            )
    shards = _taken_out(members)
    for group, parameters in members.items():
        _check_mapped(group, choices[group], parameters)
    sparse = {id(p) for group, ps in members.items() if _takes_sparse(choices[group]) for p in ps}
    for module in model.modules():
        if isinstance(module, StackedEmbedding):
            module.table.sparse = id(module.table.weight) in sparse
    built = [_build(choices[group], parameters) for group, parameters in members.items()]
    return [sharded_adagrad(shards, choices["embedding"]), *built] if shards else built


def _taken_out(members: dict[Group, list[nn.Parameter]]) -> list[ShardedTable]:
    """The sharded tables, without those that stand for them among the parameters."""
    shards = []
    for group, parameters in list(members.items()):
        for parameter in list(parameters):
            table = sharded_table(parameter)
            if table is None:
                continue
            if group != "embedding":
                table.stay_whole()
                continue
            shards.append(table)
            members[group] = [other for other in members[group] if other is not parameter]
        if not members[group]:
            del members[group]
    return shards


def _takes_sparse(choice: Optimiser) -> bool:
    """Whether the optimiser wants the gradient of a table as the batch's rows alone."""
    return choice.name == "adamw" or _updates_rows(choice)


def _updates_rows(choice: Optimiser) -> bool:
    """Whether only the batch's rows change."""
    return choice.name in _BY_ROWS or (choice.name == "sgd" and choice.l2 == 0)


def _check_mapped(group: Group, choice: Optimiser, parameters: Sequence[nn.Parameter]) -> None:
    """UserError where an optimiser would read and write the whole of a table that is in a file."""
    if choice.name in _BY_ROWS:
        return
    if any(mapped_table(parameter) is not None for parameter in parameters):
        raise UserError(
            f'compute.embeddings = "mapped" needs an optimiser for the group `{group}` that keeps to the rows of the '
            f"batch: expected one of {', '.join(_BY_ROWS)}, found {choice.name}. "
            'Choose one of them, or set compute.embeddings = "memory".'
        )


def _build(choice: Optimiser, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    lr, l2 = choice.lr, choice.l2
    match choice.name:
        case "adamw":
            return AdamW(parameters, lr, choice.weight_decay)
        case "adam":
            return torch.optim.Adam(parameters, lr, weight_decay=l2, fused=True)
        case "adagrad":
            return Adagrad(parameters, lr, l2=l2)
        case "rowwise_adagrad":
            return RowWiseAdagrad(parameters, lr, l2=l2)
        case "sparse_adam":
            return SparseAdam(parameters, lr, l2=l2)
        case "ftrl":
            return FTRL(parameters, lr, l1=choice.l1, l2=l2)
        case "sgd":
            return torch.optim.SGD(parameters, lr=lr, weight_decay=l2)
