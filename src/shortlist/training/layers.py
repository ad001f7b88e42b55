"""The parts of a model that are all layers: what a precision and a compiler are for."""

from __future__ import annotations

from torch import nn

from shortlist.nn.embedding import StackedEmbedding


def parts_of_layers(model: nn.Module) -> list[nn.Module]:
    """The largest parts of `model` that have linear layers and no table."""
    found = []
    for child in model.children():
        if _holds(child, StackedEmbedding):
            found += parts_of_layers(child)
        elif _holds(child, nn.Linear):
            found.append(child)
    return found


def _holds(module: nn.Module, kind: type[nn.Module]) -> bool:
    return any(isinstance(part, kind) for part in module.modules())
