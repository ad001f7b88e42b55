"""The multi-layer perceptron over embeddings, which the tables of papers call DNN.

Covington, Adams, Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016.
"""

from __future__ import annotations

from torch import Tensor

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import Featuriser, MixedEmbeddingSettings
from shortlist.nn.heads import HeadSettings, build_head
from shortlist.nn.history import HistorySettings
from shortlist.nn.mlp import NetworkSettings, network
from shortlist.schema import Inputs


class MLP(RankingModel):
    """A network over everything side by side; without hidden layers the tasks' own layers stand on the embeddings."""

    class Config(MixedEmbeddingSettings, NetworkSettings, HistorySettings, HeadSettings):
        """Settings of `mlp`."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.features = Featuriser(inputs, config, history=config.history)
        self.deep = network(self.features.width, config)
        self.head = build_head(self.deep.width, inputs.targets, config.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        outputs_BO: Tensor = self.head(self.deep(self.features(batch)))
        return outputs_BO
