"""NeuMF: the element-wise product of user and item beside a network over both, each with embeddings of its own.

He, Liao, Zhang, Nie, Hu, Chua: Neural Collaborative Filtering, WWW 2017. With ids alone it is the paper's. Of richer
data the product takes the sum of each side's vectors, and the network everything side by side; the context belongs to
the user's side.

Legend: B rows, C vectors of a row, D embedding dim, O outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import EmbeddingSettings, Featuriser
from shortlist.nn.heads import HeadSettings, build_head
from shortlist.nn.history import HistorySettings
from shortlist.nn.mlp import NetworkSettings, network
from shortlist.schema import Inputs, Side


class NeuMF(RankingModel):
    """A head over product and network side by side."""

    class Config(EmbeddingSettings, NetworkSettings, HistorySettings, HeadSettings):
        """Settings of `neumf`."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.multiplied = Featuriser(inputs, config, history=config.history)
        self.concatenated = Featuriser(inputs, config, history=config.history)
        self.vector_ND = nn.Parameter(torch.randn(len(inputs.numbers), config.embedding_dim) * config.embedding_std)
        sides = [*self.multiplied.sides, *(column.side for column in inputs.numbers)]
        self.of_item = [place for place, side in enumerate(sides) if side == Side.ITEM]
        self.of_request = [place for place, side in enumerate(sides) if side != Side.ITEM]
        self.deep = network(self.concatenated.width, config)
        self.head = build_head(config.embedding_dim + self.deep.width, inputs.targets, config.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        numbers_BND = batch.numbers_BN[:, :, None] * self.vector_ND
        vectors_BCD = torch.cat([self.multiplied.vectors(batch), numbers_BND], dim=1)
        product_BD = _sum(vectors_BCD, self.of_request) * _sum(vectors_BCD, self.of_item)
        deep_BW = self.deep(self.concatenated(batch))
        outputs_BO: Tensor = self.head(torch.cat([product_BD, deep_BW], dim=1))
        return outputs_BO


def _sum(vectors_BCD: Tensor, places: list[int]) -> Tensor:
    """sum_BD of the vectors at `places`; ones for a side of which nothing is known, which leaves the other as it is."""
    if not places:
        return vectors_BCD.new_ones(vectors_BCD.shape[0], vectors_BCD.shape[2])
    return vectors_BCD[:, places].sum(1)
