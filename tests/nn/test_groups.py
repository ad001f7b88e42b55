"""Parameter groups: tables, what lies below a wide module, and the rest."""

from __future__ import annotations

import torch
from torch import nn

from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.groups import Wide, grouped
from shortlist.schema import Column, Kind, Side

COLUMN = Column(name="item.id", side=Side.ITEM, kind=Kind.FIELD, size=3)


class Linear(Wide):
    def __init__(self) -> None:
        super().__init__()
        self.table = StackedEmbedding([COLUMN], 1)
        self.bias = nn.Parameter(torch.zeros(1))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = Linear()
        self.table = StackedEmbedding([COLUMN], 2)
        self.also = self.table
        self.deep = nn.Linear(2, 1)


def test_every_parameter_is_of_one_group() -> None:
    model = Model()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [(group, names[id(parameter)]) for group, parameter in grouped(model)]

    assert sorted(found) == [
        ("dense", "deep.bias"),
        ("dense", "deep.weight"),
        ("embedding", "table.table.weight"),
        ("wide", "wide.bias"),
        # A table below a wide module is wide, not an embedding.
        ("wide", "wide.table.table.weight"),
    ]
