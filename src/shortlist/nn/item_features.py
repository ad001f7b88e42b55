"""What the features of items say of them, beside their ids.

Legend: B rows, U histories, L history length, S rows of the item id column, F fields, N numbers, H hotness, D dim.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from shortlist.core.errors import UserError
from shortlist.features.rows import FeatureTable
from shortlist.nn.batch import Bag, Batch
from shortlist.nn.featuriser import EmbeddingSettings, Featuriser
from shortlist.schema import Column, Inputs


class ItemFeatures(nn.Module):
    """A vector for an item's features, of candidates and of past events alike: the sum of those of its values.

    Candidates bring their features. Of a past event only the id comes, so the features of all items stand in buffers, a
    row for each of the item id column. They are no weights: they are told again when a model is loaded, and become a
    part of the exported query tower.
    """

    ids_SF: Tensor
    numbers_SN: Tensor

    def __init__(self, candidate: Inputs, item: Column, settings: EmbeddingSettings) -> None:
        """UserError where items have no features."""
        super().__init__()
        self.item = item
        self.places = [place for place, column in enumerate(candidate.fields) if column.name != item.name]
        inputs = replace(candidate, fields=tuple(candidate.fields[place] for place in self.places))
        if not (inputs.fields or inputs.numbers or inputs.bags):
            raise UserError(
                "item_features = true reads features of items, and there are none: name data.items and its columns in "
                "[features.item], or leave it out"
            )
        self.bags = inputs.bags
        self.featuriser = Featuriser(inputs, settings.model_copy(update={"compress": {}}))
        self.numbers = nn.Linear(len(inputs.numbers), settings.embedding_dim, bias=False) if inputs.numbers else None
        if self.numbers is not None:
            nn.init.normal_(self.numbers.weight, std=settings.embedding_std)
        unknown_F = torch.tensor([column.offset for column in inputs.fields], dtype=torch.int32)
        self.register_buffer("ids_SF", unknown_F.repeat(item.size, 1), persistent=False)
        self.register_buffer("numbers_SN", torch.zeros(item.size, len(inputs.numbers)), persistent=False)
        for number in range(len(self.bags)):
            self._keep_bag(number, torch.zeros(item.size, 1, dtype=torch.int32), torch.zeros(item.size).int())

    def know(self, items: FeatureTable, own: int) -> None:
        """Take the features of the whole catalogue; `own` is the item id's position among the fields of `items`.

        Ids that no item has, and the one that all unknown items share, have the features of row 0: none is known.
        """
        row_S = np.zeros(self.item.size, np.int64)
        row_S[items.ids_nF[:, own] - self.item.offset] = np.arange(len(items))
        row_S[0] = 0
        rows, device = items.take(row_S), self.ids_SF.device
        self.ids_SF = torch.from_numpy(rows.ids_BF[:, self.places]).to(device)
        self.numbers_SN = torch.from_numpy(np.array(rows.numbers_BN)).to(device)
        for number, column in enumerate(self.bags):
            bag = rows.bags[column.name]
            self._keep_bag(
                number, torch.from_numpy(bag.values_BH).to(device), torch.from_numpy(bag.length_B).to(device)
            )

    def _keep_bag(self, number: int, values_SH: Tensor, length_S: Tensor) -> None:
        # A buffer's name has no dot, and a column's has one.
        self.register_buffer(f"values_{number}", values_SH, persistent=False)
        self.register_buffer(f"length_{number}", length_S, persistent=False)

    def forward(self, items: Batch) -> Tensor:
        """vector_BD of candidates."""
        return self._summed(replace(items, ids_BF=items.ids_BF[:, self.places]))

    def of_events(self, events: Bag) -> Tensor:
        """vector_ULD of past events; 0 beyond them."""
        mask_UL = events.mask_BH()
        row_UL = torch.where(mask_UL, events.values_BH - self.item.offset, self._padding(events, mask_UL))
        row_B = row_UL.flatten()
        bags = {
            column.name: Bag(
                self.get_buffer(f"values_{number}").index_select(0, row_B),
                self.get_buffer(f"length_{number}").index_select(0, row_B),
            )
            for number, column in enumerate(self.bags)
        }
        batch = Batch(self.ids_SF.index_select(0, row_B), self.numbers_SN.index_select(0, row_B), bags)
        vector_ULD: Tensor = self._summed(batch).unflatten(0, row_UL.shape)
        return vector_ULD * mask_UL[..., None]

    def _summed(self, batch: Batch) -> Tensor:
        """vector_BD: a feature learns as an id does, for its vector is added as it is."""
        vector_BD = self.featuriser.vectors(batch).sum(1)
        if self.numbers is not None:
            vector_BD = vector_BD + self.numbers(batch.numbers_BN)
        return vector_BD

    def _padding(self, events: Bag, mask_UL: Tensor) -> Tensor | int:
        """What stands beyond the events: in training one that the batch has, so that no other rows are touched."""
        if not self.training or mask_UL.numel() == 0:
            return 0
        first = mask_UL.flatten().int().argmax()
        return torch.where(mask_UL.any(), events.values_BH.flatten()[first] - self.item.offset, 0)
