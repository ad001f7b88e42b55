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
        towers: Literal["layers", "sum"] = "layers"
        """layers: of the features side by side. sum: no layers, a vector is the sum of its features' embeddings, which
        are `dim` wide: LightFM (Kula, 2015)."""
        dropout: float = Field(0.0, ge=0, lt=1)
        """Dropout between the layers."""
        similarity: Literal["cosine", "dot"] = "cosine"
        """cosine: vectors of length 1. dot: as they come."""
        temperature: float = Field(0.07, gt=0)
        """Similarities are divided by this before the softmax."""
        user_id: bool = True
        """Whether the query tower has an embedding for each user. Without, as Covington et al. have it, a user is what
        features and history tell, and one whom training never met is answered as any other."""
        id_dropout: float = Field(0.0, ge=0, lt=1)
        """Share of the training rows whose user, or item, is taken as unknown: with some, such as 0.1, the towers learn
        to do without ids, and users and items that training never met are recommended by their features."""

        @model_validator(mode="after")
        def _dropout_has_a_place(self) -> Self:
            if self.dropout and not self.hidden:
                raise ValueError(f"dropout = {self.dropout:g} needs hidden layers to drop from: set hidden = [128]")
            return self

        @model_validator(mode="after")
        def _no_user_id_by_another_way(self) -> Self:
            if not self.user_id and USER_ID in self.indicators:
                raise ValueError(f"indicators names {USER_ID!r}, which user_id = false leaves out: drop one of the two")
            return self

        @model_validator(mode="after")
        def _sums_are_of_one_width(self) -> Self:
            if self.towers == "sum" and (self.hidden or self.indicators or self.embedding_dims):
                raise ValueError('towers = "sum" adds embeddings up: leave hidden, indicators and embedding_dims out')
            if self.towers == "sum" and self.embedding_dim != self.dim:
                raise ValueError(
                    f'towers = "sum" adds embeddings up, which are {self.embedding_dim} wide, to vectors of '
                    f"{self.dim}: let embedding_dim and dim be equal"
                )
            return self

    config: Config

    def __init__(self, config: Config, query: Inputs, candidate: Inputs) -> None:
        """UserError where nothing tells one request from another, or the settings do not go with the inputs."""
        super().__init__(config, query, candidate)
        if config.reads_events and query.history is None:
            raise UserError(
                f"retrieval.model.history = {config.history!r} reads what a user did before, and there is no history "
                "to read: the log has no users, or retrieval.history = 0. Leave it out."
            )
        without = () if config.user_id else (USER_ID,)
        embeddings = Embeddings([column for column in embedded(candidate, query) if column.name not in without], config)
        self.query_features = Featuriser(query, config, embeddings, history=config.history, without=without)
        if self.query_features.width == 0:
            raise UserError(
                "retrieval.model.user_id = false leaves nothing that would tell one request from another: there are no "
                "features of users or of the moment, and no history to read. Leave it out, or name one of them."
            )
        self.candidate_features = Featuriser(candidate, config, embeddings)
        self.maybe_user = IdDropout(query, USER_ID, config.id_dropout)
        self.maybe_item = IdDropout(candidate, ITEM_ID, config.id_dropout)
        self.query_tower = self._tower(self.query_features)
        self.candidate_tower = self._tower(self.candidate_features)

    def _tower(self, features: Featuriser) -> nn.Module:
        if self.config.towers == "layers":
            return MLP(features.width, self.config.hidden, self.config.dim, self.config.dropout)
        if features.inputs.numbers:
            names = ", ".join(column.name for column in features.inputs.numbers)
            raise UserError(
                f'retrieval.model.towers = "sum" adds embeddings up, and numbers have none: {names}. Leave it out, or '
                'give these features transform = "bucketise".'
            )
        return Summed(features.count)

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


class Summed(nn.Module):
    """The sum of C vectors that lie side by side."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """[B, C * D] to [B, D]."""
        sum_BD: Tensor = x.unflatten(1, (self.count, -1)).sum(1)
        return sum_BD
