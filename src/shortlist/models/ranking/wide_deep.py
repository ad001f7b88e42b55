"""Wide & Deep: a linear model that memorises beside a network that generalises, trained together.

Cheng et al.: Wide & Deep Learning for Recommender Systems, DLRS 2016. As published, the wide part is trained by FTRL
with L1 and the deep part by Adagrad; the recipe's `ranking.wide`, `embedding` and `dense` say so.
"""

from __future__ import annotations

from torch import Tensor

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import Featuriser, MixedEmbeddingSettings
from shortlist.nn.heads import HeadSettings, build_head
from shortlist.nn.history import HistorySettings
from shortlist.nn.mlp import NetworkSettings, network
from shortlist.nn.wide import CrossSettings, LinearPart
from shortlist.schema import Inputs


class WideDeep(RankingModel):
    """Outputs of the linear part plus outputs of the network.

    Every feature is in both: a bag's values count as their sum in the wide part, and as their mean in the deep one.
    """

    class Config(MixedEmbeddingSettings, NetworkSettings, HistorySettings, HeadSettings, CrossSettings):
        """Settings of `wide_deep`."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.wide = LinearPart(inputs, config, self.outputs)
        self.features = Featuriser(inputs, config, history=config.history)
        self.deep = network(self.features.width, config)
        self.head = build_head(self.deep.width, inputs.targets, config.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        outputs_BO: Tensor = self.head(self.deep(self.features(batch)), self.wide(batch))
        return outputs_BO
