"""The factorisation machine: a weight for each feature, and for each pair the product of their vectors.

Rendle: Factorization Machines, ICDM 2010.
"""

from __future__ import annotations

from torch import Tensor

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import EmbeddingSettings, with_weights
from shortlist.nn.history import HistorySettings
from shortlist.nn.interactions import FactorisationMachine
from shortlist.schema import Inputs


class FactorizationMachine(RankingModel):
    """A bag, and the history, counts as the mean of its values' rows."""

    class Config(EmbeddingSettings, HistorySettings):
        """Settings of `factorization_machine`."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.features = with_weights(inputs, config, self.outputs, config.history)
        self.machine = FactorisationMachine(
            config.embedding_dim, self.outputs, len(inputs.numbers), config.embedding_std
        )

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        outputs_BO: Tensor = self.machine(self.features.vectors(batch), batch.numbers_BN)
        return outputs_BO
