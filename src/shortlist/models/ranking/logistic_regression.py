"""Logistic regression: one weight for each value and each number, the baseline that every other model has to beat.

McMahan et al.: Ad Click Prediction: a View from the Trenches, KDD 2013. It is all of the group `wide`, which
`ranking.wide` trains by FTRL, and as there to exact zeros where it has an `l1`.
"""

from __future__ import annotations

from torch import Tensor

from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.nn.wide import CrossSettings, LinearPart
from shortlist.schema import Inputs


class LogisticRegression(RankingModel):
    """The linear part of Wide & Deep alone; a history takes part through crosses."""

    class Config(CrossSettings):
        """Settings of `logistic_regression`."""

    config: Config

    def __init__(self, config: Config, inputs: Inputs) -> None:
        super().__init__(config, inputs)
        self.linear = LinearPart(inputs, config, self.outputs)

    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO."""
        outputs_BO: Tensor = self.linear(batch)
        return outputs_BO
