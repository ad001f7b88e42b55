"""SASRec: causal self-attention over the user's events; after each it asks for the next item.

Kang, McAuley: Self-Attentive Sequential Recommendation, ICDM 2018. With softmax over many negatives: Klenitskiy,
Vasilev: Turning Dross Into Gold Loss: Is BERT4Rec Really Better Than SASRec?, RecSys 2023. With gBCE: Petrov,
Macdonald: gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with Negative Sampling, RecSys 2023.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from shortlist.models.tied_sequence import TiedSequenceModel
from shortlist.nn.attention import CausalBlock, rotations
from shortlist.nn.sequence import SequenceSettings
from shortlist.schema import Inputs


class SASRec(TiedSequenceModel):
    """Blocks of attention with the layer norm before each part, and one after the last block."""

    class Config(SequenceSettings):
        """Settings of `sasrec`."""

        blocks: int = Field(2, ge=1)
        """Blocks of attention, one after another."""
        heads: int = Field(1, ge=1)
        """Heads of each attention; they share `embedding_dim`."""
        hidden: int = Field(64, ge=1)
        """Width of the layer after each attention."""
        positions: Literal["learned", "rope"] = "learned"
        """How it is told where an event stands. learned: a vector for each place from the beginning of what is read.
        rope: attention knows how far apart two events are."""

        @model_validator(mode="after")
        def _heads_share_the_width(self) -> Self:
            width, left = divmod(self.embedding_dim, self.heads)
            if left:
                raise ValueError(f"{self.heads} heads cannot share embedding_dim = {self.embedding_dim} evenly")
            if self.positions == "rope" and width % 2:
                raise ValueError(f"rope turns pairs of dimensions, and each of {self.heads} heads has {width}")
            return self

    config: Config

    def __init__(self, config: Config, query: Inputs, candidate: Inputs) -> None:
        super().__init__(config, query, candidate)
        dim = config.embedding_dim
        self.position_LD = None
        if config.positions == "learned":
            self.position_LD = nn.Parameter(torch.randn(query.history_length, dim) * config.embedding_std)
        self.blocks = nn.ModuleList(
            CausalBlock(dim, config.heads, config.hidden, config.dropout) for _ in range(config.blocks)
        )
        self.at_last = nn.LayerNorm(dim)

    def read(self, event_ULD: Tensor) -> Tensor:
        """state_ULD."""
        length, dim = event_ULD.shape[1:]
        rotation_LA = None
        if self.position_LD is not None:
            event_ULD = event_ULD + self.position_LD[:length]
        else:
            rotation_LA = rotations(length, dim // self.config.heads, event_ULD.device)
        for block in self.blocks:
            event_ULD = block(event_ULD, rotation_LA)
        state_ULD: Tensor = self.at_last(event_ULD)
        return state_ULD
