"""What models that read sequences share: the events that go in, and the states that come out.

Legend: B rows, U histories, L history length, D embedding dim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from shortlist.core.errors import UserError
from shortlist.nn.batch import Bag, Batch, History
from shortlist.nn.dropout import Dropout
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.featuriser import EmbeddingSettings
from shortlist.nn.history import EventSettings, at_last
from shortlist.nn.id_dropout import IdDropout
from shortlist.nn.item_features import ItemFeatures
from shortlist.schema import Column, Inputs
from shortlist.schema.columns import ITEM_ID, PAST_AGE, PAST_TYPE


class SequenceSettings(EmbeddingSettings, EventSettings):
    """Settings of models that read a sequence of events and answer with items of the same table."""

    embedding_dim: int = Field(64, ge=1)
    """Width of items, events and states."""
    embedding_std: float = Field(0.02, gt=0)
    """Standard deviation of the values that embeddings begin with."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout of the events and between the layers."""
    event_types: bool = True
    """Whether events are told apart by their type (view, cart, purchase), where the log has types."""
    time_gaps: bool = False
    """Whether it counts how long ago the last event was when the next one is asked for."""
    item_features: bool = False
    """Whether an item, read or recommended, is its features beside its id."""
    id_dropout: float = Field(0.0, ge=0, lt=1)
    """With item_features: share of the items to recommend that training takes as unknown. With some, such as 0.1, items
    that training never met are recommended by their features."""

    @model_validator(mode="after")
    def _knows_what_it_forgets_the_id_of(self) -> Self:
        if self.id_dropout and not self.item_features:
            raise ValueError("id_dropout leaves nothing of an item without item_features = true: set it too")
        return self

    @property
    def reads_events(self) -> bool:
        """Whether the model reads the types or ages of events."""
        return self.event_types or self.time_gaps


class SequenceEvents(nn.Module):
    """Vectors of items, alone and as events: an event is its item, scaled to a length of about 1, and its type."""

    def __init__(self, query: Inputs, candidate: Inputs, settings: SequenceSettings) -> None:
        """UserError where there are no histories to read."""
        super().__init__()
        if query.history is None or not query.history_in_order:
            raise UserError(
                "a model of sequences reads histories, and there are none here: name a user_id or session_id and a "
                "timestamp in [schema], and let retrieval.history be at least 1"
            )
        self.own = candidate.field(ITEM_ID)
        self.item = item = candidate.fields[self.own]
        self.type_place = _told(query, PAST_TYPE) if settings.event_types else None
        self.columns = [item] if self.type_place is None else [item, query.past[self.type_place]]
        self.table = StackedEmbedding(
            self.columns, settings.embedding_dim, settings.embedding_std, _compressed(settings, item)
        )
        self.scale = float(settings.embedding_dim) ** 0.5
        self.dropout = Dropout(settings.dropout)
        self.features = ItemFeatures(candidate, item, settings) if settings.item_features else None
        self.maybe_item = IdDropout(candidate, ITEM_ID, settings.id_dropout)

    def items(self, items: Batch) -> Tensor:
        """vector_BD."""
        ids_B1 = self.maybe_item(items).ids_BF[:, self.own, None]
        vector_B1D: Tensor = self.table(ids_B1, [self.item])
        vector_BD = vector_B1D.squeeze(1)
        return vector_BD if self.features is None else vector_BD + self.features(items)

    def forward(self, history: History) -> Tensor:
        """event_ULD, 0 beyond a history's events."""
        told = [] if self.type_place is None else [history.past()[self.type_place]]
        bags = [history.events, *(Bag(ids_UL, history.events.length_B) for ids_UL in told)]
        parts = [self.table.sequence(bag, column, self.scale) for bag, column in zip(bags, self.columns, strict=True)]
        if self.features is not None:
            parts.append(self.features.of_events(history.events) * self.scale)
        event_ULD: Tensor = self.dropout(sum(parts[1:], parts[0]))
        return event_ULD


class SequenceStates(nn.Module):
    """What is asked after each event; without any event a vector of its own, which is learned."""

    def __init__(self, query: Inputs, settings: SequenceSettings) -> None:
        super().__init__()
        dim = settings.embedding_dim
        self.nothing_D = nn.Parameter(torch.zeros(dim))
        self.age_place = _told(query, PAST_AGE) if settings.time_gaps else None
        self.gaps = None if self.age_place is None else TimeGaps(query.past[self.age_place], settings)

    def forward(self, state_ULD: Tensor, history: History) -> Tensor:
        """query_ULD."""
        if self.gaps is None or self.age_place is None:
            return state_ULD
        gated_ULD: Tensor = self.gaps(state_ULD, Bag(history.past()[self.age_place], history.events.length_B))
        return gated_ULD

    def last(self, query_ULD: Tensor, history: History) -> Tensor:
        """query_BD after each row's last event."""
        has_any_U1 = history.events.length_B[:, None] > 0
        query_UD = torch.where(has_any_U1, at_last(query_ULD, history), self.nothing_D)
        return query_UD.index_select(0, history.of_B)


class TimeGaps(nn.Module):
    """States times 1 + a vector of how long ago their event was: it counts more or less of what they hold.

    Beutel et al.: Latent Cross: Making Use of Context in Recurrent Recommender Systems, WSDM 2018. It enters after the
    events are read: of an event further back it is known how long ago it was, and not how long after it the next came.
    """

    def __init__(self, age: Column, settings: SequenceSettings) -> None:
        super().__init__()
        self.column = age
        self.table = StackedEmbedding([age], settings.embedding_dim, settings.embedding_std)

    def forward(self, state_ULD: Tensor, ages: Bag) -> Tensor:
        """state_ULD."""
        return state_ULD * (1 + self.table.sequence(ages, self.column))


def _told(query: Inputs, name: str) -> int | None:
    """Which of the columns that tell of past events is called `name`; None where the log has none."""
    names = [column.name for column in query.past]
    return names.index(name) if name in names else None


def _compressed(settings: SequenceSettings, item: Column) -> Mapping[str, int]:
    """The columns that share rows; UserError for one that is not read."""
    for name in settings.compress:
        if name != item.name:
            raise UserError(f"compress names {name!r}, and a model of sequences has a table of {item.name!r} alone")
    return settings.compress
