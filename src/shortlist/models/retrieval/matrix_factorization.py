"""Matrix factorization: a vector for each user and one for each item, known by their ids alone.

Koren, Bell, Volinsky: Matrix Factorization Techniques for Recommender Systems, IEEE Computer 42(8), 2009; with
`retrieval.loss = "bpr"` the BPR-MF of Rendle et al., UAI 2009. Cosines: Mao et al., SimpleX, CIKM 2021. The bias of a
user would not change the order of its items, and there is none.

All users that training did not meet share one vector, and so do items. `id_dropout` makes theirs the vectors of a user
and an item of whom nothing is known: such a user is recommended what most like. With `id_dropout = 0` they stay as they
began, near 0, and what such a user gets is by chance, or by the biases.

Legend: B rows, D dim.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from shortlist.core.errors import UserError
from shortlist.core.settings import Settings
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.id_dropout import IdDropout
from shortlist.schema import Inputs
from shortlist.schema.columns import ITEM_ID, USER_ID


class MatrixFactorization(RetrievalModel):
    """Two tables. A bias is one more number of an item's vector, which a query has a 1 for."""

    class Config(Settings):
        """Settings of `matrix_factorization`."""

        dim: int = Field(64, ge=1)
        """Width of the vectors."""
        embedding_std: float = Field(0.05, gt=0)
        """Standard deviation of the values that vectors begin with."""
        similarity: Literal["cosine", "dot"] = "cosine"
        """cosine: vectors of length 1. dot: as they come."""
        temperature: float | None = Field(None, gt=0)
        """Similarities are divided by this before the loss. Default: 0.07 of cosines, 1 of dot products."""
        biases: bool = False
        """For dot: each item has a score of its own beside the product, by how popular it is."""
        id_dropout: float = Field(0.01, ge=0, lt=1)
        """Share of the training rows whose user, or item, is taken as unknown: what new ones are recommended by."""

        @model_validator(mode="after")
        def _biases_are_of_dot(self) -> Self:
            if self.biases and self.similarity == "cosine":
                raise ValueError('biases are added to a product, which a cosine is not: set similarity = "dot"')
            return self

    config: Config

    def __init__(self, config: Config, query: Inputs, candidate: Inputs) -> None:
        """UserError where users have no ids: sessions."""
        if not any(column.name == USER_ID for column in query.fields):
            raise UserError(
                "matrix_factorization knows users by their ids, and sessions have none. Choose a model that reads what "
                'happened in them: retrieval.model = "gru4rec", or "item_knn".'
            )
        # What is not read is not gathered either.
        super().__init__(config, replace(query, history=None, history_length=0), candidate)
        self.of_user, self.of_item = query.field(USER_ID), candidate.field(ITEM_ID)
        self.user, self.item = query.fields[self.of_user], candidate.fields[self.of_item]
        self.users = StackedEmbedding([self.user], config.dim, config.embedding_std)
        biases = int(config.biases)
        self.items = StackedEmbedding([self.item], config.dim + biases, config.embedding_std, zeros=biases)
        self.maybe_user = IdDropout(query, USER_ID, config.id_dropout)
        self.maybe_item = IdDropout(candidate, ITEM_ID, config.id_dropout)

    def query(self, batch: Batch) -> Tensor:
        """query_BD."""
        ids_B1 = self.maybe_user(batch).ids_BF[:, self.of_user, None]
        vectors_BD = self._scaled(self.users(ids_B1, [self.user]).squeeze(1))
        return functional.pad(vectors_BD, (0, 1), value=1.0) if self.config.biases else vectors_BD

    def candidate(self, batch: Batch) -> Tensor:
        """candidate_BD."""
        ids_B1 = self.maybe_item(batch).ids_BF[:, self.of_item, None]
        return self._scaled(self.items(ids_B1, [self.item]).squeeze(1))

    def _scaled(self, vectors_BD: Tensor) -> Tensor:
        return functional.normalize(vectors_BD, dim=1) if self.config.similarity == "cosine" else vectors_BD

    def temperature(self) -> float:
        """What similarities are divided by."""
        if self.config.temperature is not None:
            return self.config.temperature
        return 0.07 if self.config.similarity == "cosine" else 1.0
