"""Optimisers from the recipe: one for each parameter group."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.groups import Group, grouped
from shortlist.recipe.sections import Optimiser
from shortlist.training.ftrl import FTRL

_SPARSE = {"ftrl", "adagrad", "sgd"}
"""Those that update only the rows of the batch when the gradient is sparse."""


def build_optimisers(model: nn.Module, choices: Mapping[Group, Optimiser]) -> list[torch.optim.Optimizer]:
    """One optimiser for each group that has parameters; tables of groups that can do so get sparse gradients."""
    members: dict[Group, list[nn.Parameter]] = {}
    for group, parameter in grouped(model):
        members.setdefault(group, []).append(parameter)
    sparse = {id(p) for group, ps in members.items() if _updates_rows(choices[group]) for p in ps}
    for module in model.modules():
        if isinstance(module, StackedEmbedding):
            module.table.sparse = id(module.table.weight) in sparse
    return [_build(choices[group], parameters) for group, parameters in members.items()]


def _updates_rows(choice: Optimiser) -> bool:
    """torch refuses weight decay on sparse gradients, so a decayed table is updated densely."""
    return choice.name in _SPARSE and (choice.name == "ftrl" or choice.weight_decay == 0)


def _build(choice: Optimiser, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    lr, decay = choice.lr, choice.weight_decay
    if choice.name == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=decay, fused=True)
    if choice.name == "adagrad":
        # It makes sparse tensors of its own, and torch warns of that until it is told whether to check their indices.
        torch.sparse.check_sparse_tensor_invariants.disable()
        return torch.optim.Adagrad(parameters, lr=lr, weight_decay=decay, initial_accumulator_value=0.1)
    if choice.name == "ftrl":
        return FTRL(parameters, lr=lr, l1=choice.l1, l2=decay)
    return torch.optim.SGD(parameters, lr=lr, weight_decay=decay)
