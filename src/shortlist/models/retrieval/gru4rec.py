"""GRU4Rec: gated recurrent units over the events of a session; after each event it asks for the next item.

Hidasi, Karatzoglou, Baltrunas, Tikk: Session-based Recommendations with Recurrent Neural Networks, ICLR 2016. Hidasi,
Karatzoglou: Recurrent Neural Networks with Top-k Gains for Session-based Recommendations, CIKM 2018, which shares the
table of items between both sides. Sessions are read whole, and not cut into steps of a batch of parallel ones.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from shortlist.models.tied_sequence import TiedSequenceModel
from shortlist.nn.dropout import Dropout
from shortlist.nn.sequence import SequenceSettings
from shortlist.schema import Inputs


class GRU4Rec(TiedSequenceModel):
    """Recurrent layers, and a projection of their last one into the space of items."""

    class Config(SequenceSettings):
        """Settings of `gru4rec`."""

        hidden: int = Field(128, ge=1)
        """Width of the recurrent layers."""
        layers: int = Field(1, ge=1)
        """Recurrent layers, one after another."""

    config: Config

    def __init__(self, config: Config, query: Inputs, candidate: Inputs) -> None:
        super().__init__(config, query, candidate)
        dropout = config.dropout if config.layers > 1 else 0.0
        self.gru = nn.GRU(config.embedding_dim, config.hidden, config.layers, batch_first=True, dropout=dropout)
        self.dropout = Dropout(config.dropout)
        self.projected = nn.Linear(config.hidden, config.embedding_dim)

    def read(self, event_ULD: Tensor) -> Tensor:
        """state_ULD."""
        hidden_ULH, _ = self.gru(event_ULD)
        state_ULD: Tensor = self.projected(self.dropout(hidden_ULH))
        return state_ULD
