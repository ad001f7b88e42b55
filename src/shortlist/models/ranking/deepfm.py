"""DeepFM: a factorisation machine and a network over the same embeddings, trained together.

Guo, Tang, Ye, Li, He: DeepFM: A Factorization-Machine based Neural Network for CTR Prediction, IJCAI 2017. The
factorisation machine is Rendle's (ICDM 2010).

Legend: B rows, C vectors of a row, N numbers, D embedding dim, T targets.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import Embeddings, EmbeddingSettings, Featuriser, embedded
from shortlist.nn.mlp import MLP
from shortlist.schema import Inputs


class DeepFM(RankingModel):
    """Logits of the factorisation machine plus logits of the network.

    A row of the table holds a value's vector and, beside it, its first-order weight for each target: one gather brings
    both. A bag counts as the mean of its values' rows. A number x has a vector and weights of its own, which enter the
    machine times x, as in Rendle's equation; the network gets the number itself. With several targets the pairwise
    term is common to them, and weights and network tell them apart.
    """

    class Config(EmbeddingSettings):
        """Settings of `deepfm`."""

        hidden: tuple[int, ...] = (400, 400, 400)
        """Widths of the deep part; the paper's are the default."""
        dropout: float = Field(0.0, ge=0, lt=1)
        """Dropout between the deep layers."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.dim = config.embedding_dim
        row = config.model_copy(update={"embedding_dim": self.dim + self.targets})
        self.features = Featuriser(inputs, row, Embeddings(embedded(inputs), row, zeros=self.targets))
        numbers = len(inputs.numbers)
        self.vector_ND = nn.Parameter(torch.randn(numbers, self.dim) * config.embedding_std)
        self.weight_NT = nn.Parameter(torch.zeros(numbers, self.targets))
        self.bias_T = nn.Parameter(torch.zeros(self.targets))
        self.deep = MLP(self.features.count * self.dim + numbers, config.hidden, self.targets, config.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """logits_BT."""
        numbers_BN = batch.numbers_BN
        rows_BCW = self.features.vectors(batch)
        sum_BD, weights_BT = rows_BCW.sum(1).split([self.dim, self.targets], dim=1)
        vectors_BV = rows_BCW[:, :, : self.dim].flatten(1)
        linear_BT: Tensor = weights_BT + numbers_BN @ self.weight_NT + self.bias_T
        deep_BT: Tensor = self.deep(torch.cat([vectors_BV, numbers_BN], dim=1))
        # Sum over all pairs of their products, in linear time: (|Σv|² - Σ|v|²) / 2.
        squares_B1 = _squared(vectors_BV) + numbers_BN.square() @ _squared(self.vector_ND)
        pairs_B1 = (_squared(sum_BD + numbers_BN @ self.vector_ND) - squares_B1) / 2
        return linear_BT + pairs_B1 + deep_BT


def _squared(vectors: Tensor) -> Tensor:
    """Squared lengths [..., 1]."""
    lengths: Tensor = torch.linalg.vecdot(vectors, vectors)[..., None]
    return lengths
