"""FinalMLP: two networks over features that gates select for each, joined by a bilinear product.

Mao, Zhu, Su, Cai, Li, Dong: FinalMLP: An Enhanced Two-Stream MLP Model for CTR Prediction, AAAI 2023.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import Featuriser, MixedEmbeddingSettings
from shortlist.nn.heads import HeadSettings, build_head
from shortlist.nn.history import HistorySettings
from shortlist.nn.interactions import BilinearProduct
from shortlist.nn.mlp import MLP, NetworkSettings, Width, network
from shortlist.schema import Inputs


class FinalMLP(RankingModel):
    """Both streams read everything side by side, each through a gate of its own where gates are on."""

    class Config(MixedEmbeddingSettings, NetworkSettings, HistorySettings, HeadSettings):
        """Settings of `final_mlp`; `hidden`, `dropout` and `batch_norm` are the first stream's."""

        hidden: tuple[Width, ...] = Field((400, 400, 400), min_length=1)
        """Widths of the first stream."""
        second: tuple[Width, ...] = Field((400,), min_length=1)
        """Widths of the second stream."""
        heads: int = Field(1, ge=1)
        """Parts that both streams' last layers are cut into, each multiplied with its like."""
        gates: tuple[Width, ...] = ()
        """Widths of the networks that learn which features each stream sees; none to show everything to both."""

        @model_validator(mode="after")
        def _heads_divide(self) -> FinalMLP.Config:
            for name, width in (("hidden", self.hidden[-1]), ("second", self.second[-1])):
                if width % self.heads:
                    raise ValueError(
                        f"{name} ends in {width}, which {self.heads} heads do not divide: end it in a multiple of "
                        f"{self.heads}, or change heads"
                    )
            return self

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.features = Featuriser(inputs, config, history=config.history)
        width = self.features.width
        self.first = network(width, config)
        self.second = MLP(width, config.second, dropout=config.dropout, batch_norm=config.batch_norm)
        self.gates = nn.ModuleList(MLP(width, config.gates, width) for _ in range(2 if config.gates else 0))
        self.product = BilinearProduct(self.first.width, self.second.width, config.heads)
        self.head = build_head(self.first.width + 2 * self.second.width, inputs.targets, config.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        x_BW = self.features(batch)
        # Twice the sigmoid: a gate that has learned nothing lets everything through as it is.
        shown = [x_BW * 2 * gate(x_BW).sigmoid() for gate in self.gates] or [x_BW, x_BW]
        first_BX, second_BY = self.first(shown[0]), self.second(shown[1])
        outputs_BO: Tensor = self.head(torch.cat([first_BX, second_BY, self.product(first_BX, second_BY)], dim=1))
        return outputs_BO
