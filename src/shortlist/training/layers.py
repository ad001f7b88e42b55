"""The parts of a model that are all layers: what a precision and a compiler are for."""

from __future__ import annotations

from torch import nn

from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.history import HistoryEncoder


def parts_of_layers(model: nn.Module) -> list[nn.Module]:
    """The largest parts of `model` that have linear layers, no table and no history, and are called themselves."""
    found = []
    for child in model.children():
        if isinstance(child, HistoryEncoder):
            continue
        if isinstance(child, nn.ModuleList) or _holds(child, StackedEmbedding, HistoryEncoder):
            found += parts_of_layers(child)
        elif _holds(child, nn.Linear):
            found.append(child)
    return found


def _holds(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    return any(isinstance(part, kinds) for part in module.modules())
