"""What sequence models have in common: one table for the items that are read and those that are recommended."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from shortlist.features.rows import FeatureTable
from shortlist.models.base import SequenceModel
from shortlist.nn.batch import Batch
from shortlist.nn.sequence import SequenceEvents, SequenceSettings, SequenceStates
from shortlist.schema import Inputs


class TiedSequenceModel(SequenceModel):
    """Reads events as vectors of items, and answers with states in the items' own space.

    An item that training does not know has the vector that all such items share, and with `item_features` what its
    features add to it. A user without a history is answered with a vector that is learned as the others are.
    """

    def __init__(self, config: SequenceSettings, query: Inputs, candidate: Inputs) -> None:
        """UserError where there are no histories to read."""
        super().__init__(config, query, candidate)
        self.events = SequenceEvents(query, candidate, config)
        self.after = SequenceStates(query, config)

    def know(self, items: FeatureTable) -> None:
        """Where features of items are read, those of the catalogue."""
        if self.events.features is not None:
            self.events.features.know(items, self.events.own)

    @abstractmethod
    def read(self, event_ULD: Tensor) -> Tensor:
        """state_ULD after each event; event_ULD is 0 beyond a history's events, and what it is there does not count."""

    def states(self, batch: Batch) -> Tensor:
        """query_ULD."""
        assert batch.history is not None
        query_ULD: Tensor = self.after(self.read(self.events(batch.history)), batch.history)
        return query_ULD

    def query(self, batch: Batch) -> Tensor:
        """query_BD after the last event."""
        assert batch.history is not None
        return self.after.last(self.states(batch), batch.history)

    def candidate(self, batch: Batch) -> Tensor:
        """candidate_BD."""
        return self.events.items(batch)
