"""DCN-V2: explicit crosses of bounded degree beside, or before, a network.

Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi: DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
Learning to Rank Systems, WWW 2021.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import Featuriser, MixedEmbeddingSettings
from shortlist.nn.heads import HeadSettings, build_head
from shortlist.nn.history import HistorySettings
from shortlist.nn.interactions import CrossLayer, LowRankCrossLayer
from shortlist.nn.mlp import NetworkSettings, network
from shortlist.schema import Inputs


class DCNv2(RankingModel):
    """Cross layers over everything side by side, and a network with or after them."""

    class Config(MixedEmbeddingSettings, NetworkSettings, HistorySettings, HeadSettings):
        """Settings of `dcn_v2`."""

        structure: Literal["parallel", "stacked"] = "parallel"
        """parallel: crosses and network both read the features. stacked: the network reads the crosses."""
        cross_layers: int = Field(3, ge=1)
        """Number of cross layers; the highest degree of a cross is one more."""
        rank: int | None = Field(None, ge=1)
        """Rank of the products; default: full."""
        experts: int = Field(4, ge=1)
        """Products of low rank that a layer mixes; with `rank` alone."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.features = Featuriser(inputs, config, history=config.history)
        width = self.features.width
        self.crosses = nn.ModuleList(
            CrossLayer(width) if config.rank is None else LowRankCrossLayer(width, config.rank, config.experts)
            for _ in range(config.cross_layers)
        )
        self.deep = network(width, config)
        crossed = width if config.structure == "parallel" else 0
        self.head = build_head(crossed + self.deep.width, inputs.targets, config.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        x0_BW = x_BW = self.features(batch)
        for layer in self.crosses:
            x_BW = layer(x0_BW, x_BW)
        if self.config.structure == "stacked":
            outputs_BO: Tensor = self.head(self.deep(x_BW))
        else:
            outputs_BO = self.head(torch.cat([x_BW, self.deep(x0_BW)], dim=1))
        return outputs_BO
