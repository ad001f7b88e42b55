"""Wide & Deep: a linear model that memorises beside a network that generalises, trained together.

Cheng et al.: Wide & Deep Learning for Recommender Systems, DLRS 2016. As published, the wide part is trained by FTRL
with L1 and the deep part by Adagrad; the recipe's `ranking.wide`, `embedding` and `dense` say so.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import Featuriser, MixedEmbeddingSettings
from shortlist.nn.mlp import MLP
from shortlist.nn.wide import LinearPart
from shortlist.schema import Inputs


class WideDeep(RankingModel):
    """Logits of the linear part plus logits of the network."""

    class Config(MixedEmbeddingSettings):
        """Settings of `wide_deep`."""

        hidden: tuple[int, ...] = (256, 128)
        """Widths of the deep part."""
        dropout: float = Field(0.0, ge=0, lt=1)
        """Dropout between the deep layers."""
        crosses: tuple[tuple[str, ...], ...] = ()
        """Columns whose values are crossed in the wide part, such as `["user.gender", "item.genres"]`; `history` stands
        for the items of the user's history."""
        cross_buckets: int = Field(2**18, ge=1)
        """Rows that the values of each cross are hashed to."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.wide = LinearPart(inputs, config.crosses, config.cross_buckets, self.targets)
        self.features = Featuriser(inputs, config)
        self.deep = MLP(self.features.width, config.hidden, self.targets, config.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """logits_BT."""
        wide_BT: Tensor = self.wide(batch)
        deep_BT: Tensor = self.deep(self.features(batch))
        return wide_BT + deep_BT
