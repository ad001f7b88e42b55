"""Item-kNN: what is like the items of a history.

Sarwar, Karypis, Konstan, Riedl: Item-Based Collaborative Filtering Recommendation Algorithms, WWW 2001. Deshpande,
Karypis: Item-Based Top-N Recommendation Algorithms, TOIS 2004. Asymmetric cosine: Aiolli: Efficient Top-N
Recommendation for Very Large Scale Binary Rated Datasets, RecSys 2013. BM25: Robertson, Zaragoza: The Probabilistic
Relevance Framework: BM25 and Beyond, 2009.

Legend: U users, I item rows, n item rows of one block, M stored values of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator
from scipy import sparse

from shortlist.core.settings import Settings
from shortlist.models.base import Fitted, Interactions, MatrixModel
from shortlist.models.matrix import (
    Doubles,
    Matrix,
    bm25_saturation,
    counts,
    had,
    inverse_frequency,
    on_histories,
    operator,
    row_blocks,
    user_items,
)
from shortlist.models.strongest import strongest

_STORED = 2**22
"""Similarities held at once, some 60 bytes each while they are made."""


class ItemKNN(MatrixModel):
    """Items scored by their similarity to each item of the history, of which only the nearest count.

    Two items are alike when the same users had them. The similarity of each pair that any user had is computed, from
    the product of the matrix with itself, a block of items at a time.
    """

    class Config(Settings):
        """Settings of `item_knn`."""

        similarity: Literal["cosine", "normalised", "jaccard", "tfidf", "bm25"] = "cosine"
        """cosine: of their users. normalised: cosine where each user's items together have length 1, so that a user of
        many items counts less (Deshpande and Karypis). jaccard: users of both per users of either. tfidf: cosine where
        a user of many items counts somewhat less. bm25: the same, not scaled to the items' popularity but to its
        saturation."""
        neighbours: int = Field(200, ge=1)
        """Nearest items kept for each item."""
        shrinkage: float = Field(0.0, ge=0)
        """Added to what a similarity is divided by: the more, the less similarities of few users count."""
        asymmetry: float = Field(0.5, ge=0, le=1)
        """All but jaccard and bm25: how much of the scaling falls on the history's item; 0.5 for an equal share, above
        it popular items are recommended more, below it less."""
        k1: float = Field(1.2, ge=0)
        """bm25: how slowly an item's users saturate."""
        b: float = Field(0.75, ge=0, le=1)
        """bm25: how much an item's popularity is scaled away."""
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

        @model_validator(mode="after")
        def _scales_by_shares(self) -> Self:
            if "asymmetry" in self.model_fields_set and self.similarity in {"jaccard", "bm25"}:
                raise ValueError(f"asymmetry is for cosines, and similarity is {self.similarity}: leave it out")
            return self

    config: Config

    def _fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """The nearest items of each item."""
        matrix_UI = user_items(log)
        nearest = self._nearest(self._weighted(matrix_UI))
        return on_histories(operator(nearest, had(matrix_UI)), self.config.half_life)

    def _weighted(self, matrix_UI: Matrix) -> Matrix:
        """The matrix with each user's weight, and with bm25 the items'."""
        if self.config.similarity in {"cosine", "jaccard"}:
            return matrix_UI
        count_U, count_I = counts(matrix_UI, 1), counts(matrix_UI, 0)
        if self.config.similarity == "normalised":
            weight_U = np.maximum(count_U, 1) ** -0.5
        else:
            weight_U = inverse_frequency(count_U, int(np.count_nonzero(count_I)))
        weighted = _scaled(matrix_UI, weight_U[:, None])
        if self.config.similarity == "bm25":
            weighted = _scaled(weighted, bm25_saturation(count_I, self.config.k1, self.config.b)[None, :])
        return weighted

    def _nearest(self, matrix_UI: Matrix) -> Iterator[Matrix]:
        square_I = counts(matrix_UI.power(2), 0)
        # Where no user counts, there is nothing to scale.
        scale_I, share = np.where(square_I > 0, square_I, 1), self.config.asymmetry
        own_I, other_I = scale_I**share, scale_I ** (1 - share)
        # Counts of users are exact: they are scaled when they are added up, and not before.
        by_other_I = (1 / other_I).astype(np.float32)
        is_cosine, shrinkage = self.config.similarity not in {"jaccard", "bm25"}, self.config.shrinkage
        transposed_IU = matrix_UI.T.tocsr()
        for first, stop in row_blocks(matrix_UI, _STORED):
            both_nI = transposed_IU[first:stop] @ matrix_UI
            count_n = np.diff(both_nI.indptr)
            if self.config.similarity == "jaccard":
                either_M = np.repeat(square_I[first:stop], count_n) + square_I[both_nI.indices] - both_nI.data
                both_nI.data = (both_nI.data / (either_M + shrinkage)).astype(np.float32)
            elif is_cosine and shrinkage:
                scale_M = np.repeat(own_I[first:stop], count_n) * other_I[both_nI.indices]
                both_nI.data = (both_nI.data / (scale_M + shrinkage)).astype(np.float32)
            elif is_cosine:
                both_nI.data *= by_other_I[both_nI.indices]
            near_nI = strongest(both_nI, self.config.neighbours, first)
            if is_cosine and not shrinkage:
                # A row's own part of the scaling does not change which of its values are the largest.
                near_nI.data /= np.repeat(own_I[first:stop], np.diff(near_nI.indptr)).astype(np.float32)
            yield near_nI


def _scaled(matrix: Matrix, by: Doubles) -> Matrix:
    return sparse.csr_array(matrix.multiply(by)).astype(np.float32)
