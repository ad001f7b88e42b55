"""Parameter groups: each parameter is `wide`, `embedding` or `dense`, and the recipe gives each group its optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import nn

from shortlist.nn.embedding import StackedEmbedding

Group = Literal["wide", "embedding", "dense"]


class Wide(nn.Module):
    """Base of modules whose parameters, tables included, form the group `wide`."""


def grouped(model: nn.Module) -> Iterator[tuple[Group, nn.Parameter]]:
    """Every parameter of `model` once, with its group."""
    wide = _parameters_below(model, Wide)
    embedding = _parameters_below(model, StackedEmbedding)
    for parameter in model.parameters():
        if id(parameter) in wide:
            yield "wide", parameter
        elif id(parameter) in embedding:
            yield "embedding", parameter
        else:
            yield "dense", parameter


def _parameters_below(model: nn.Module, kind: type[nn.Module]) -> set[int]:
    return {id(p) for module in model.modules() if isinstance(module, kind) for p in module.parameters()}
