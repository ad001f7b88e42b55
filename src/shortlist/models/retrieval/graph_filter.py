"""Graph filter: histories smoothed over the graph of who had what; nothing is trained.

Shen et al.: How Powerful is Graph Convolution for Recommendation?, CIKM 2021 (GF-CF). Sharpening: Choi, Hong, Park,
Cho: Blurring-Sharpening Process Models for Collaborative Filtering, SIGIR 2023 (BSPM).

Legend: U users, I item rows, J items that anybody had, n item rows of one block, N users who had any, R rank.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field
from scipy import sparse
from scipy.sparse.linalg import svds

from shortlist.core.memory import check_memory
from shortlist.core.seeding import stream
from shortlist.core.settings import Settings
from shortlist.features.rows import Floats
from shortlist.models.base import Fitted, Interactions, MatrixModel
from shortlist.models.matrix import (
    Doubles,
    Matrix,
    counts,
    dense_operator,
    had,
    on_histories,
    operator,
    user_items,
)
from shortlist.models.strongest import strongest

_COLUMNS = 64
"""Item rows whose filtered graph is held at once."""
_NOTHING = 1e-6
"""Singular values below it, as a share of the largest, are what rounding leaves of 0."""


class GraphFilter(MatrixModel):
    """Two filters of a history x, added: x G + alpha x D^-1/2 V V' D^1/2.

    G is the graph of items, the product of the matrix with itself after it is divided by the roots of both the users'
    and the items' numbers of events, D; V are the leading right singular vectors of that matrix. With `sharpening` T
    both are followed by exp(-T G), as its Taylor series of `order` terms has it: what all have in common counts less.
    """

    class Config(Settings):
        """Settings of `graph_filter`."""

        rank: int = Field(256, ge=0)
        """Singular vectors of the low-pass filter; 0 for none."""
        alpha: float = Field(0.3, ge=0)
        """Weight of the low-pass filter."""
        sharpening: float = Field(0.0, ge=0)
        """How long the result is sharpened; 0 for not at all."""
        order: int = Field(4, ge=1)
        """Terms of the sharpening's series: 1 is one step of Euler's method, 4 one of Runge and Kutta's."""
        keep: int = Field(1000, ge=0)
        """Weights of the first filter kept for each item of a history, those of largest size; 0 for all, as a dense
        matrix."""

    config: Config

    def _fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """Both filters; EnvironmentFault where a dense one is larger than memory."""
        matrix_UI = user_items(log)
        items_J = had(matrix_UI)
        user_U, item_I = _inverse_root(counts(matrix_UI, 1)), _inverse_root(counts(matrix_UI, 0))
        normal_UI = sparse.csr_array(matrix_UI.multiply(user_U[:, None]).multiply(item_I[None, :])).astype(np.float32)
        arrays = self._low_pass(normal_UI, item_I) if self.config.rank and self.config.alpha else {}
        if self.config.keep:
            return on_histories({**arrays, **operator(self._kept(normal_UI), items_J)})
        return on_histories({**arrays, **dense_operator(self._whole(normal_UI[:, items_J]), items_J)})

    def _whole(self, normal_UJ: Matrix) -> Floats:
        size, row = normal_UJ.shape[1], 0
        check_memory(4 * size**2, f"graph_filter over {size:,} items with no limit", "Set keep = 1000.")
        dense_JJ = np.empty((size, size), np.float32)
        for block in self._filtered(normal_UJ):
            dense_JJ[row : row + block.shape[0]] = block if isinstance(block, np.ndarray) else block.toarray()
            row += block.shape[0]
        return dense_JJ

    def _kept(self, normal_UI: Matrix) -> Iterator[Matrix]:
        for block_nI in self._filtered(normal_UI):
            yield strongest(block_nI, self.config.keep)

    def _filtered(self, normal_UI: Matrix) -> Iterator[Matrix | Floats]:
        """Rows of G, sharpened, block after block; G is symmetric, and so is every polynomial of it."""
        transposed_IU = normal_UI.T.tocsr()
        for first in range(0, normal_UI.shape[1], _COLUMNS):
            block_nI = transposed_IU[first : first + _COLUMNS] @ normal_UI
            if self.config.sharpening:
                yield self._sharpened(np.ascontiguousarray(block_nI.toarray().T), normal_UI, transposed_IU).T
            else:
                yield block_nI

    def _sharpened(self, vectors_In: Floats, normal_UI: Matrix, transposed_IU: Matrix) -> Floats:
        """exp(-T G) of columns, to `order` terms after the first."""
        total_In, term_In = vectors_In.copy(), vectors_In
        for power in range(1, self.config.order + 1):
            term_In = transposed_IU @ (normal_UI @ term_In) * np.float32(-self.config.sharpening / power)
            total_In += term_In
        return total_In

    def _low_pass(self, normal_UI: Matrix, inverse_root_I: Doubles) -> dict[str, Floats]:
        """The ideal low-pass filter as two factors: a history's items to R numbers, and these to all items."""
        vectors_IR = _right_vectors(normal_UI, self.config.rank)
        root_I = np.divide(1, inverse_root_I, out=np.zeros_like(inverse_root_I), where=inverse_root_I > 0)
        left_IR = vectors_IR * (self.config.alpha * inverse_root_I)[:, None]
        right_IR = (vectors_IR * root_I[:, None]).astype(np.float32)
        if self.config.sharpening:
            right_IR = self._sharpened(right_IR, normal_UI, normal_UI.T.tocsr())
        return {"left": left_IR.astype(np.float32), "right": right_IR}


def _inverse_root(count_T: Doubles) -> Doubles:
    """1 over the root; 0 of nothing."""
    return np.divide(1, np.sqrt(count_T), out=np.zeros_like(count_T), where=count_T > 0)


def _right_vectors(normal_UI: Matrix, rank: int) -> Floats:
    """The leading right singular vectors, as many as there are of `rank`."""
    matrix_NI = normal_UI[np.flatnonzero(np.diff(normal_UI.indptr))]
    if 2 * rank >= min(matrix_NI.shape[0], len(had(matrix_NI))):
        # The iterative method needs some to leave out, and memory for each of the others.
        return _right_vectors_of_gram(matrix_NI)[:, :rank]
    start = stream(0, "singular vectors").standard_normal(min(normal_UI.shape)).astype(np.float32)
    _, _, right_RI = svds(normal_UI, k=rank, v0=start, return_singular_vectors="vh")
    return np.ascontiguousarray(right_RI[::-1].T)


def _right_vectors_of_gram(matrix_NI: Matrix) -> Floats:
    """All right singular vectors of values above 0, leading ones first, from the smaller of the two Gram matrices."""
    items_J = had(matrix_NI)
    matrix_NJ = matrix_NI[:, items_J].astype(np.float64)
    by_rows = matrix_NJ.shape[0] < len(items_J)
    gram = matrix_NJ @ matrix_NJ.T if by_rows else matrix_NJ.T @ matrix_NJ
    square_R, vectors = np.linalg.eigh(gram.toarray())
    falling_R = np.flatnonzero(square_R > _NOTHING**2 * square_R[-1])[::-1]
    vectors = vectors[:, falling_R]
    if by_rows:
        vectors = (matrix_NJ.T @ vectors) / np.sqrt(square_R[falling_R])
    vectors_IR = np.zeros((matrix_NI.shape[1], vectors.shape[1]), np.float32)
    vectors_IR[items_J] = vectors
    return vectors_IR
