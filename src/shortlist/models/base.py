"""What a model is: a frozen Config, inputs, and a forward pass. It knows no device, optimiser, loss weight or path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from shortlist.core.settings import Settings
from shortlist.features.past import Events
from shortlist.features.rows import FeatureTable
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


class SequenceModel(RetrievalModel):
    """A retrieval model that reads a history event by event, and so learns from every event of it in one pass."""

    @abstractmethod
    def states(self, batch: Batch) -> Tensor:
        """query_ULD after each event of the U histories: what asks for the event that follows it.

        The state after event i depends on events 0 to i alone. Beyond a history's events it may be anything.
        """

    @abstractmethod
    def know(self, items: FeatureTable) -> None:
        """Take what the catalogue tells of the items that past events are of, if the model reads any of it."""


@dataclass(frozen=True, slots=True)
class Interactions:
    """What a model that is fitted in one go learns from: the training log."""

    events: Events
    """Relevant training events of each row of the user table, oldest first; row 0 stands for no user."""
    weights: npt.NDArray[np.float32] | None
    """Weight of each event, where the log has weights."""
    users: FeatureTable
    """Encoded features of each user."""
    user_inputs: Inputs
    """What the columns of `users` are."""
    items: int
    """Rows of the item table; row 0 stands for no item."""
    now: int
    """Unix seconds at the end of training."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What fitting leaves: arrays, and the kind of scorer that reads them when requests come."""

    scorer: str
    """A name in the catalogue `shortlist.funnel.scorers`."""
    arrays: Mapping[str, npt.NDArray[Any]]
    """By name; saved one file each and memory-mapped."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else the scorer is told, as JSON values."""


class MatrixModel(ABC):
    """A retrieval model that is fitted in one go on who had which item: neighbours, factors, graph filters, counts."""

    Config: ClassVar[type[Settings]]
    names_user_field: ClassVar[str | None] = None
    """The setting, if there is one, that names a field of users: a feature of theirs with one value of several."""

    def __init__(self, config: Settings) -> None:
        self.config = config

    def fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """What its scorer needs; the same bits from the same log and seed with as many threads.

        With another number of threads the last bits may differ: BLAS then sums in another order.
        """
        with threadpool_limits(threads, "blas"):
            return self._fit(log, threads, seed)

    @abstractmethod
    def _fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """`fit`, with BLAS at that many threads."""
