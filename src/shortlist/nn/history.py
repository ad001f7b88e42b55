"""History encoders: from the events of a history to one vector for each row.

Read one by one, each event is the sum of what is known of it: its item's embedding and those of its type and its age.
A mean is of the items alone (docs/decisions/011). Legend: B rows, U histories, L history length, D embedding dim.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.core.settings import Settings
from shortlist.nn.batch import Bag, History

Encoding = Literal["mean", "target_attention", "gru", "transformer"]


class EventSettings(Settings):
    """Settings of models that may be told of past events more than their items."""

    @property
    @abstractmethod
    def reads_events(self) -> bool:
        """Whether the model reads the types and ages of events."""


class HistorySettings(EventSettings):
    """Settings of models that may read a history in several ways."""

    history: Encoding = "mean"
    """How the user's events before this one become one vector. mean: their items by learned weights of recency.
    target_attention: each event by how much it has to do with the item in question. gru, transformer: as a sequence.
    Without times nothing is before anything: what is read is all else that the user has, and a mean has no weights."""

    @property
    def reads_events(self) -> bool:
        """Whether events are read one by one, with their types and ages; a mean has only their items."""
        return self.history != "mean"


class RecencyWeights(nn.Module):
    """How much each event of a history counts by its place from the end; learned, and a plain mean to begin with."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.log_weight_L = nn.Parameter(torch.zeros(length))

    def forward(self, history: Bag) -> Tensor:
        """weight_BL: sums to 1 over each history's events; 0 beyond them, even of a model that has diverged."""
        mask_BL = history.mask_BH()
        from_end_BL = _from_end(history)
        weight_BL = self.log_weight_L.exp().index_select(0, from_end_BL.flatten()).view_as(mask_BL) * mask_BL
        share_BL = weight_BL / weight_BL.sum(1, keepdim=True).clamp(min=torch.finfo(weight_BL.dtype).tiny)
        return torch.where(mask_BL, share_BL, 0.0)


ORDERED: tuple[Encoding, ...] = ("gru", "transformer")
"""Encodings that go by the order of events."""


class HistoryEncoder(nn.Module, ABC):
    """Reads events one by one."""

    @abstractmethod
    def forward(self, event_ULD: Tensor, history: History, candidate_BD: Tensor) -> Tensor:
        """history_BD of every row; zeros where the history is empty.

        `event_ULD` is 0 beyond a history's events; `candidate_BD` is the embedding of each row's own item.
        """


class TargetAttention(HistoryEncoder):
    """The sum of the events, each by a small network's opinion of how much it has to do with the row's item.

    Zhou et al.: Deep Interest Network for Click-Through Rate Prediction, KDD 2018. As there, the weights are not
    normalised: how much of a history is about the item counts too. The first layer's product with [event, item,
    event · item] is a sum of three, of which only the last has to be computed for each row and event.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.of_event = nn.Linear(dim, dim)
        self.of_item = nn.Linear(dim, dim, bias=False)
        self.of_both = nn.Linear(dim, dim, bias=False)
        self.opinion = nn.Linear(dim, 1)

    def forward(self, event_ULD: Tensor, history: History, candidate_BD: Tensor) -> Tensor:
        """history_BD."""
        event_BLD = event_ULD.index_select(0, history.of_B)
        both_BLD = self.of_both(event_BLD * candidate_BD[:, None])
        alone_BLD = self.of_event(event_ULD).index_select(0, history.of_B) + self.of_item(candidate_BD)[:, None]
        weight_BL1 = self.opinion(functional.relu(both_BLD + alone_BLD))
        # Beyond a history's events event_BLD is 0, and the weight may be anything.
        pooled_BD: Tensor = (event_BLD * weight_BL1).sum(1)
        return pooled_BD


class GRUEncoder(HistoryEncoder):
    """The hidden state of a gated recurrent unit after the last event.

    Hidasi, Karatzoglou, Baltrunas, Tikk: Session-based Recommendations with Recurrent Neural Networks, ICLR 2016.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gru = nn.GRU(dim, dim, batch_first=True)

    def forward(self, event_ULD: Tensor, history: History, candidate_BD: Tensor) -> Tensor:
        """history_BD."""
        state_ULD, _ = self.gru(event_ULD)
        return _last(state_ULD, history)


class TransformerEncoder(HistoryEncoder):
    """The last event's output of one layer of causal self-attention, with the layer norm before each part.

    Kang, McAuley: Self-Attentive Sequential Recommendation, ICDM 2018. Positions are counted from the end, so that they
    mean the same in a history of any length.
    """

    def __init__(self, dim: int, length: int) -> None:
        super().__init__()
        self.position_LD = nn.Parameter(torch.zeros(length, dim))
        self.before_attention = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.attended = nn.Linear(dim, dim)
        self.before_layers = nn.LayerNorm(dim)
        self.layers = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        self.at_last = nn.LayerNorm(dim)
        # To begin with nearer to the embeddings that it stands beside than to 1.
        nn.init.constant_(self.at_last.weight, 0.1)

    def forward(self, event_ULD: Tensor, history: History, candidate_BD: Tensor) -> Tensor:
        """history_BD."""
        position_ULD = self.position_LD.index_select(0, _from_end(history.events).flatten()).view_as(event_ULD)
        x_ULD = event_ULD + position_ULD
        # Only the last event's output is asked for: its query alone, against the keys of all.
        query_ULD, key_ULD, value_ULD = self.query_key_value(self.before_attention(x_ULD)).chunk(3, dim=-1)
        # An empty history attends to its first place, and is put to 0 below.
        place_L = torch.arange(event_ULD.shape[1], device=event_ULD.device)
        seen_UL = place_L < history.events.length_B.clamp(min=1)[:, None]
        # One head, one query: [U, 1, 1, D].
        attended_U11D = functional.scaled_dot_product_attention(
            at_last(query_ULD, history)[:, None, None],
            key_ULD[:, None],
            value_ULD[:, None],
            attn_mask=seen_UL[:, None, None],
        )
        y_UD = at_last(x_ULD, history) + self.attended(attended_U11D.flatten(1))
        y_UD = self.at_last(y_UD + self.layers(self.before_layers(y_UD)))
        return _where_any(y_UD, history).index_select(0, history.of_B)


def history_encoder(encoding: Encoding, dim: int, length: int) -> HistoryEncoder | None:
    """The encoder of that name; None for `mean`, which needs no events one by one."""
    match encoding:
        case "target_attention":
            return TargetAttention(dim)
        case "gru":
            return GRUEncoder(dim)
        case "transformer":
            return TransformerEncoder(dim, length)
    return None


def _from_end(history: Bag) -> Tensor:
    """place_BL of each event counted from the last, which is 0; 0 also beyond the events."""
    place_L = torch.arange(history.values_BH.shape[1], device=history.length_B.device)
    return (history.length_B[:, None] - 1 - place_L).clamp(min=0)


def at_last(x_ULD: Tensor, history: History) -> Tensor:
    """x_UD at each history's last event."""
    last_U = (history.events.length_B.long() - 1).clamp(min=0)
    index_U1D = last_U[:, None, None].expand(-1, 1, x_ULD.shape[2])
    return x_ULD.gather(1, index_U1D).squeeze(1)


def _last(x_ULD: Tensor, history: History) -> Tensor:
    """x_BD at each row's last event, 0 where it has none."""
    return _where_any(at_last(x_ULD, history), history).index_select(0, history.of_B)


def _where_any(x_UD: Tensor, history: History) -> Tensor:
    return torch.where(history.events.length_B[:, None] > 0, x_UD, 0.0)
