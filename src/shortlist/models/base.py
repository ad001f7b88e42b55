"""What a model is: a frozen Config, inputs, and a forward pass. It knows no device, optimiser, loss weight or path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from shortlist.core.settings import Settings
from shortlist.nn.batch import Batch
from shortlist.schema import Inputs


class RankingModel(nn.Module, ABC):
    """Scores rows that hold user, item and context together."""

    Config: ClassVar[type[Settings]]

    def __init__(self, config: Settings, inputs: Inputs) -> None:
        super().__init__()
        self.config = config
        self.inputs = inputs

    @property
    def outputs(self) -> int:
        """How many numbers a row gets: those of its targets in their order, or one when every event is relevant."""
        return sum(target.outputs for target in self.inputs.targets) or 1

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """outputs_BO: a binary target's logit, a regression's standardised value, the logits of classes."""


class RetrievalModel(nn.Module, ABC):
    """Encodes requests and items into one space, so that the nearest items are the candidates."""

    Config: ClassVar[type[Settings]]

    def __init__(self, config: Settings, query: Inputs, candidate: Inputs) -> None:
        super().__init__()
        self.config = config
        self.query_inputs = query
        self.candidate_inputs = candidate

    @abstractmethod
    def query(self, batch: Batch) -> Tensor:
        """query_BD of requests: user, context and history."""

    @abstractmethod
    def candidate(self, batch: Batch) -> Tensor:
        """candidate_BD of items. The score of a pair is the dot product of the two."""

    def temperature(self) -> float:
        """What scores are divided by before a softmax."""
        return 1.0
