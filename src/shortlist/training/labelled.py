"""Pairs of a request and an item with what came of them: whether the first target happened. No negatives are drawn.

Legend: B rows, C distinct items of a batch, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, RetrievalPairs
from shortlist.data.prepared import Prepared
from shortlist.losses.log_loss import log_loss
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch, tensor
from shortlist.schema import Split, TargetKind

_INSTEAD = 'Set retrieval.loss = "softmax", which learns from relevant events alone.'


@dataclass(frozen=True, slots=True)
class Labelled:
    """The items of one batch, on the model's device, and what came of each row."""

    items: Batch
    """Features of the C distinct items."""
    place_B: Tensor
    """The place of each row's item among them."""
    target_B: Tensor
    weight_B: Tensor

    @classmethod
    def of(cls, pairs: RetrievalPairs[Batch], gather: Gather[Batch], device: torch.device) -> Labelled:
        """What a batch of pairs tells."""
        items, place_B = np.unique(pairs.item_G[pairs.mine_B], return_inverse=True)
        arrays = (place_B, pairs.target_B, pairs.weight_B)
        return cls(gather.item(items), *(tensor(array, device) for array in arrays))

    def loss(self, model: RetrievalModel, query_BD: Tensor) -> Tensor:
        """Log loss of the pairs' scores as logits; a scalar in nats."""
        with torch.autocast(query_BD.device.type, enabled=False):
            vectors_BD = model.candidate(self.items).float().index_select(0, self.place_B)
            score_B = (query_BD.float() * vectors_BD).sum(1) / model.temperature()
        return log_loss(score_B, self.target_B, self.weight_B)


def labelled_rows(prepared: Prepared) -> EventRows:
    """The training rows with an item; DataError where their first target does not tell items apart."""
    first = next(iter(prepared.schema.targets), None)
    asked = 'retrieval.loss = "log_loss" learns from rows whose first target is 0 beside those where it is 1'
    if first is None:
        raise DataError(f"{asked}, and the recipe's [schema] has no targets: every event counts alike. {_INSTEAD}")
    if first.kind != TargetKind.BINARY:
        raise DataError(f"{asked}, and `{first.name}` is a {first.kind} target. {_INSTEAD}")
    rows = EventRows(prepared, Split.TRAIN, with_item=True)
    relevant = EventRows(prepared, Split.TRAIN, relevant_only=True, with_item=True)
    if len(relevant) == len(rows):
        raise DataError(f"{asked}, and `{first.name}` is above 0 in all {len(rows):,} of them. {_INSTEAD}")
    return rows
