"""Two towers: one encodes the request, the other the item; the nearest items are the candidates.

Covington, Adams, Sargin: Deep Neural Networks for YouTube Recommendations, RecSys 2016. Yi et al.: Sampling-Bias-
Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys 2019.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from shortlist.core.errors import UserError
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch
from shortlist.nn.featuriser import Embeddings, Featuriser, MixedEmbeddingSettings, embedded
from shortlist.nn.history import HistorySettings
from shortlist.nn.id_dropout import IdDropout
from shortlist.nn.mlp import MLP, Width
from shortlist.schema import Inputs
from shortlist.schema.columns import ITEM_ID, USER_ID


class TwoTower(RetrievalModel):
    """Query tower over user, context and history; candidate tower over the item.

    The history's item vectors are the candidate tower's own, so an item means the same on both sides.
    """

    class Config(MixedEmbeddingSettings, HistorySettings):
        """Settings of `two_tower`."""

        dim: int = Field(64, ge=1)
        """Width of the common space."""
        embedding_dim: int = Field(64, ge=1)
        """Width of each feature's embedding."""
        embedding_std: float = Field(0.05, gt=0)
        """Standard deviation of the values that embeddings begin with."""
        hidden: tuple[Width, ...] = ()
        """Widths of the hidden layers of both towers; none for a linear projection."""
        dropout: float = Field(0.0, ge=0, lt=1)
        """Dropout between the layers."""
        similarity: Literal["cosine", "dot"] = "cosine"
        """cosine: vectors of length 1. dot: as they come."""
        temperature: float = Field(0.07, gt=0)
        """Similarities are divided by this before the softmax."""
        id_dropout: float = Field(0.0, ge=0, lt=1)
        """Share of the training rows whose user, or item, is taken as unknown: with some, such as 0.1, the towers learn
        to do without ids, and users and items that training never met are recommended by their features."""

        @model_validator(mode="after")
        def _dropout_has_a_place(self) -> Self:
            if self.dropout and not self.hidden:
                raise ValueError(f"dropout = {self.dropout:g} needs hidden layers to drop from: set hidden = [128]")
            return self

    config: Config

    def __init__(self, config: Config, query: Inputs, candidate: Inputs) -> None:
        super().__init__(config, query, candidate)
        if config.reads_events and query.history is None:
            raise UserError(
                f"retrieval.model.history = {config.history!r} reads what a user did before, and there is no history "
                "to read: the log has no users, or retrieval.history = 0. Leave it out."
            )
        embeddings = Embeddings(embedded(candidate, query), config)
        self.query_features = Featuriser(query, config, embeddings, history=config.history)
        self.candidate_features = Featuriser(candidate, config, embeddings)
        self.maybe_user = IdDropout(query, USER_ID, config.id_dropout)
        self.maybe_item = IdDropout(candidate, ITEM_ID, config.id_dropout)
        self.query_tower = self._tower(self.query_features.width)
        self.candidate_tower = self._tower(self.candidate_features.width)

    def _tower(self, width: int) -> nn.Module:
        return MLP(width, self.config.hidden, self.config.dim, self.config.dropout)

    def _scaled(self, vectors_BD: Tensor) -> Tensor:
        return functional.normalize(vectors_BD, dim=1) if self.config.similarity == "cosine" else vectors_BD

    def query(self, batch: Batch) -> Tensor:
        """query_BD."""
        return self._scaled(self.query_tower(self.query_features(self.maybe_user(batch))))

    def candidate(self, batch: Batch) -> Tensor:
        """candidate_BD."""
        return self._scaled(self.candidate_tower(self.candidate_features(self.maybe_item(batch))))

    def temperature(self) -> float:
        """What similarities are divided by."""
        return self.config.temperature
