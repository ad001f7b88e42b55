"""EASE: the linear map from a history to its items that has no item speak for itself, in closed form.

Steck: Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019. Users by a power of their counts: Park, Yoon, Kim,
Lee: Why is Normalization Necessary for Linear Recommenders?, SIGIR 2025 (DAN), whose power of items' counts, by which
finished weights are scaled, is left out. Penalties that grow with an item's users: Steck: Autoencoders that don't
overfit towards the Identity, NeurIPS 2020 (EDLAE); they are EDLAE's with an exponent of 1, and those between it and 0
are of no paper.

Legend: U users, I item rows, J items that are fitted, n item rows of one block.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field
from scipy import sparse
from scipy.linalg import lapack

from shortlist.core.errors import EnvironmentFault
from shortlist.core.memory import check_memory
from shortlist.core.settings import Settings
from shortlist.features.rows import Floats, Longs
from shortlist.models.base import Fitted, Interactions, MatrixModel
from shortlist.models.matrix import (
    BLOCK,
    Doubles,
    Matrix,
    counts,
    dense_operator,
    on_histories,
    operator,
    user_items,
)
from shortlist.models.strongest import strongest


class EASE(MatrixModel):
    """Ridge regression of each item on all others.

    With P the inverse of the items' Gram matrix plus the penalties on its diagonal, the weight of a history's item i
    for item j is -P_ij / P_jj.

    It takes 4 J² bytes of memory and J³ multiplications for J items: 6.3 GiB for 41,000 items, and 37 GiB for
    100,000; `max_items` bounds them. Single precision is enough for the inverse as long as no penalty is far below the
    largest counts: with `penalty_exponent` those of rare items are lower than `l2`.
    """

    class Config(Settings):
        """Settings of `ease`."""

        l2: float = Field(250.0, gt=0)
        """Weight of the regression's squares: the more, the less rare items' chances count."""
        user_exponent: float = Field(0.0, ge=0, le=1)
        """A user counts as the number of all the user's items to the power of minus this, scaled so that an event of
        a fitted item counts 1 in the mean: the more, the less those who have much tell of each pair."""
        penalty_exponent: float = Field(0.0, ge=0, le=1)
        """The squares of what an item of a history says weigh `l2` times its users, by what they count and as a share
        of an item's in the mean, to the power of this. 0 for all items alike, 1 as dropout from histories has it."""
        max_items: int | None = Field(None, ge=1)
        """Most items, the most popular ones; others say nothing in a history, and are recommended only where these are
        used up. None for all."""
        keep: int | None = Field(None, ge=1)
        """Weights kept for each item of a history, those of largest size: less memory and faster answers, at some
        loss. None for all."""

    config: Config

    def _fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """The weights, dense or the largest ones; EnvironmentFault where memory is too small."""
        matrix_UI = user_items(log)
        items_J = self._items(matrix_UI)
        check_memory(4 * len(items_J) ** 2, f"ease over {len(items_J):,} items", "Set max_items to fewer.")
        weights_JJ = self._weights(self._counting(matrix_UI[:, items_J], counts(matrix_UI, 1)))
        if self.config.keep is not None:
            return on_histories(operator(self._strongest(weights_JJ, items_J, log.items), items_J))
        return on_histories(dense_operator(weights_JJ, items_J))

    def _items(self, matrix_UI: Matrix) -> Longs:
        """Rows of the items that are fitted, ascending: those that anybody had, the most popular if too many."""
        count_I = counts(matrix_UI, 0)
        order = np.argsort(-count_I, kind="stable")[: np.count_nonzero(count_I)]
        return np.sort(order[: self.config.max_items])

    def _counting(self, matrix_UJ: Matrix, count_U: Doubles) -> Matrix:
        """The matrix with each user's root of what the user counts, so that a product of two events has all of it."""
        if not self.config.user_exponent:
            return matrix_UJ
        weight_U, fitted_U = np.maximum(count_U, 1) ** -self.config.user_exponent, counts(matrix_UJ, 1)
        weight_U *= fitted_U.sum() / (weight_U @ fitted_U)
        # Many users' roots add up in double precision; counts are exact in single.
        return sparse.csr_array(matrix_UJ.multiply(np.sqrt(weight_U)[:, None]))

    def _weights(self, matrix_UJ: Matrix) -> Floats:
        """weights_JJ, computed in the place of the Gram matrix."""
        size = matrix_UJ.shape[1]
        gram_JJ = np.zeros((size, size), np.float32)
        transposed_JU = matrix_UJ.T.tocsr()
        for start in range(0, size, BLOCK):
            gram_JJ[start : start + BLOCK] = (transposed_JU[start : start + BLOCK] @ matrix_UJ).toarray()
        users_J = gram_JJ.diagonal().astype(np.float64)
        penalty_J = self.config.l2 * (users_J / users_J.mean()) ** self.config.penalty_exponent
        gram_JJ[np.diag_indices(size)] += penalty_J.astype(np.float32)
        # The same memory by columns, as LAPACK has it: the matrix is symmetric.
        factor_JJ, failed = lapack.spotrf(gram_JJ.T, lower=1, clean=0, overwrite_a=1)
        if failed:
            l2 = self.config.l2
            raise EnvironmentFault(f"ease cannot factorise its matrix in single precision: set l2 above {l2:g}")
        inverse_JJ, _ = lapack.spotri(factor_JJ, lower=1, overwrite_c=1)
        weights_JJ: Floats = inverse_JJ.T
        return _from_upper_inverse(weights_JJ)

    def _strongest(self, weights_JJ: Floats, items_J: Longs, items: int) -> Iterator[Matrix]:
        row = 0
        for start in range(0, len(items_J), BLOCK):
            block = strongest(weights_JJ[start : start + BLOCK], self.config.keep or 1)
            block.indices = items_J[block.indices]
            place_n = items_J[start : start + BLOCK]
            # Items that are not fitted have empty rows between those that are.
            indptr = np.zeros(int(place_n[-1]) + 2 - row, np.int64)
            indptr[place_n - row + 1] = np.diff(block.indptr)
            yield sparse.csr_array((block.data, block.indices, np.cumsum(indptr)), (len(indptr) - 1, items))
            row = int(place_n[-1]) + 1
        if row < items:
            yield sparse.csr_array((items - row, items), dtype=np.float32)


def _from_upper_inverse(inverse_JJ: Floats) -> Floats:
    """-P_ij / P_jj with an empty diagonal, in place, from a P whose upper triangle alone is filled."""
    size = len(inverse_JJ)
    scale_J = -1 / inverse_JJ.diagonal()
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        corner = np.triu(inverse_JJ[start:stop, start:stop])
        inverse_JJ[start:stop, start:stop] = corner + np.triu(corner, 1).T
        inverse_JJ[stop:, start:stop] = inverse_JJ[start:stop, stop:].T
    for start in range(0, size, BLOCK):
        inverse_JJ[start : start + BLOCK] *= scale_J
    inverse_JJ[np.diag_indices(size)] = 0
    return inverse_JJ
