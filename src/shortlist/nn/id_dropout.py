"""Ids that are forgotten at times in training, so that a model learns what to do of those it will never have met.

Volkovs, Yu, Poutanen: DropoutNet: Addressing Cold Start in Recommender Systems, NeurIPS 2017.

Legend: B rows, F fields.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from shortlist.nn.batch import Batch
from shortlist.schema import Inputs


class IdDropout(nn.Module):
    """With some probability the id of a row becomes the one that is out of vocabulary, while the model trains."""

    def __init__(self, inputs: Inputs, name: str, probability: float) -> None:
        """`name` is that of the id's column; where `inputs` has no such column there is nothing to forget."""
        super().__init__()
        names = [column.name for column in inputs.fields]
        self.place = names.index(name) if name in names else None
        self.unknown = 0 if self.place is None else inputs.fields[self.place].offset
        self.probability = probability

    def forward(self, batch: Batch) -> Batch:
        """The same rows."""
        if not self.training or self.probability == 0 or self.place is None:
            return batch
        forgotten_B = torch.rand(len(batch.ids_BF), device=batch.ids_BF.device) < self.probability
        ids_BF = batch.ids_BF.clone()
        ids_BF[:, self.place].masked_fill_(forgotten_B, self.unknown)
        return replace(batch, ids_BF=ids_BF)
