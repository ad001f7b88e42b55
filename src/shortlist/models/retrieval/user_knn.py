"""User-kNN: what those had who are like the user of a history.

Resnick, Iacovou, Suchak, Bergstrom, Riedl: GroupLens, CSCW 1994; Herlocker, Konstan, Borchers, Riedl: An Algorithmic
Framework for Performing Collaborative Filtering, SIGIR 1999. A session in the place of a user: Jannach, Ludewig: When
Recurrent Neural Networks Meet the Neighborhood for Session-Based Recommendation, RecSys 2017.

Legend: U users, I item rows, P events.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from shortlist.core.settings import Settings
from shortlist.models.base import Fitted, Interactions, MatrixModel
from shortlist.models.matrix import bm25_saturation, counts, inverse_frequency, user_items


class UserKNN(MatrixModel):
    """Items scored by the similarity of the users who had them to whoever asks.

    Neighbours are found when a request comes, from its history: a session or a new user is answered as a known one is.
    """

    class Config(Settings):
        """Settings of `user_knn`."""

        similarity: Literal["cosine", "jaccard", "tfidf", "bm25"] = "cosine"
        """cosine: of their items. jaccard: items of both per items of either. tfidf: cosine where an item of many
        users counts less. bm25: the same, not scaled to the users' activity but to its saturation."""
        neighbours: int = Field(200, ge=1)
        """Nearest users whose items are candidates."""
        shrinkage: float = Field(0.0, ge=0)
        """Added to what a similarity is divided by: the more, the less similarities of few items count."""
        k1: float = Field(1.2, ge=0)
        """bm25: how slowly a user's items saturate."""
        b: float = Field(0.75, ge=0, le=1)
        """bm25: how much a user's activity is scaled away."""
        half_life: float | None = Field(None, gt=0)
        """Events after which an event of the history counts half; None where all count the same."""

        @model_validator(mode="after")
        def _shrinks_what_is_divided(self) -> Self:
            if self.shrinkage and self.similarity == "bm25":
                raise ValueError('shrinkage has nothing to shrink with similarity = "bm25": leave one of them out')
            return self

        @model_validator(mode="after")
        def _saturates_with_bm25(self) -> Self:
            unread = sorted({"k1", "b"} & self.model_fields_set)
            if unread and self.similarity != "bm25":
                raise ValueError(f'only bm25 reads {" and ".join(unread)}: leave it out, or set similarity = "bm25"')
            return self

    config: Config

    def _fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """Who had what, by user and by item, and what an item and a user weigh."""
        matrix_UI = user_items(log)
        by_item_IU = matrix_UI.T.tocsr()
        count_U, count_I = counts(matrix_UI, 1), counts(matrix_UI, 0)
        weight_I, factor_U = np.ones_like(count_I), np.ones_like(count_U)
        if self.config.similarity in {"tfidf", "bm25"}:
            weight_I = inverse_frequency(count_I, int(np.count_nonzero(count_U))) ** 2
        if self.config.similarity == "bm25":
            factor_U = bm25_saturation(count_U, self.config.k1, self.config.b)
        arrays = {
            "offsets_by_user": matrix_UI.indptr.astype(np.int64),
            "items": matrix_UI.indices.astype(np.int32),
            "offsets_by_item": by_item_IU.indptr.astype(np.int64),
            "users": by_item_IU.indices.astype(np.int32),
            "item_weight": weight_I.astype(np.float32),
            "user_factor": factor_U.astype(np.float32),
            "user_square": (matrix_UI @ weight_I).astype(np.float32),
        }
        scale = {"tfidf": "cosine", "bm25": "none"}.get(self.config.similarity, self.config.similarity)
        settings = {"scale": scale, **self.config.model_dump(include={"neighbours", "shrinkage", "half_life"})}
        return Fitted("user_to_user", arrays, settings)
