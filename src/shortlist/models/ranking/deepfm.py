"""DeepFM: a factorisation machine and a network over the same embeddings, trained together.

Guo, Tang, Ye, Li, He: DeepFM: A Factorization-Machine based Neural Network for CTR Prediction, IJCAI 2017.

Legend: B rows, C vectors of a row, W columns of a table row, D embedding dim, O outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import EmbeddingSettings, with_weights
from shortlist.nn.heads import HeadSettings, build_head
from shortlist.nn.history import HistorySettings
from shortlist.nn.interactions import FactorisationMachine
from shortlist.nn.mlp import NetworkSettings, Width, network
from shortlist.schema import Inputs


class DeepFM(RankingModel):
    """Outputs of the machine plus outputs of the network, which gets a number itself where the machine has a vector."""

    class Config(EmbeddingSettings, NetworkSettings, HistorySettings, HeadSettings):
        """Settings of `deepfm`."""

        hidden: tuple[Width, ...] = (400, 400, 400)
        """Widths of the deep part; the paper's are the default."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.dim = config.embedding_dim
        numbers = len(inputs.numbers)
        self.features = with_weights(inputs, config, self.outputs, config.history)
        self.machine = FactorisationMachine(self.dim, self.outputs, numbers, config.embedding_std)
        self.deep = network(self.features.count * self.dim + numbers, config)
        self.head = build_head(self.deep.width, inputs.targets, config.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        rows_BCW = self.features.vectors(batch)
        vectors_BV = rows_BCW[:, :, : self.dim].flatten(1)
        deep_BW = self.deep(torch.cat([vectors_BV, batch.numbers_BN], dim=1))
        outputs_BO: Tensor = self.head(deep_BW, self.machine(rows_BCW, batch.numbers_BN))
        return outputs_BO
