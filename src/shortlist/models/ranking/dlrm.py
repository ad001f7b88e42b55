"""DLRM: numbers through a bottom network, dot products of all pairs of vectors, and a top network.

Naumov et al.: Deep Learning Recommendation Model for Personalization and Recommendation Systems, 2019.

Legend: B rows, C vectors of a row, D embedding dim, O outputs.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import EmbeddingSettings, Featuriser
from shortlist.nn.heads import HeadSettings, build_head
from shortlist.nn.history import HistorySettings
from shortlist.nn.interactions import pairwise_dots
from shortlist.nn.mlp import MLP, NetworkSettings, Width, network
from shortlist.schema import Inputs


class DLRM(RankingModel):
    """The numbers' vector is one of those whose pairs are multiplied, and the top network gets it beside the products.

    All vectors have one dim: without it there would be no dot product. Without numbers the products are all that it
    gets, and a single vector, of which there is no product, itself.
    """

    class Config(EmbeddingSettings, NetworkSettings, HistorySettings, HeadSettings):
        """Settings of `dlrm`."""

        bottom: tuple[Width, ...] = Field((64, 16), min_length=1)
        """Widths of the bottom network, as `hidden` are of the top one; the last is the embeddings' dim."""

        @model_validator(mode="after")
        def _one_dim(self) -> DLRM.Config:
            if self.bottom[-1] != self.embedding_dim:
                raise ValueError(
                    f"dlrm multiplies the numbers' vector with the embeddings, and bottom ends in {self.bottom[-1]} "
                    f"where embedding_dim = {self.embedding_dim}: set bottom = "
                    f"[{', '.join(map(str, (*self.bottom[:-1], self.embedding_dim)))}]"
                )
            return self

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.features = Featuriser(inputs, config, history=config.history)
        numbers = len(inputs.numbers)
        self.bottom = MLP(numbers, config.bottom) if numbers else None
        count = self.features.count + bool(numbers)
        self.alone = count == 1 and not numbers
        first = config.embedding_dim if numbers or self.alone else 0
        self.top = network(first + count * (count - 1) // 2, config)
        self.head = build_head(self.top.width, inputs.targets, config.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        vectors_BCD = self.features.vectors(batch)
        if self.bottom is not None:
            numbers_BD = self.bottom(batch.numbers_BN)
            vectors_BCD = torch.cat([numbers_BD[:, None], vectors_BCD], dim=1)
            top_BW = torch.cat([numbers_BD, pairwise_dots(vectors_BCD)], dim=1)
        else:
            top_BW = vectors_BCD.squeeze(1) if self.alone else pairwise_dots(vectors_BCD)
        outputs_BO: Tensor = self.head(self.top(top_BW))
        return outputs_BO
