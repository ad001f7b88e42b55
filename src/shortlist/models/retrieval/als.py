"""ALS: factors of the matrix of who had what, found by least squares in turn.

Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008. Takács, Pilászy, Tikk:
Applications of the Conjugate Gradient Method for Implicit Feedback Collaborative Filtering, RecSys 2011. Fitted by the
library `implicit`.

Legend: I item rows, D dim.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from shortlist.core.extras import need
from shortlist.core.settings import Settings
from shortlist.models.base import Fitted, Interactions, MatrixModel
from shortlist.models.matrix import user_items

_PURPOSE = "the retrieval model `als`"


class ALS(MatrixModel):
    """Factors of items; those of whoever asks are solved for from the history, as in one more step of the fit."""

    class Config(Settings):
        """Settings of `als`."""

        dim: int = Field(64, ge=1)
        """Number of factors."""
        iterations: int = Field(15, ge=1)
        """Steps, each for the users and then for the items."""
        regularization: float = Field(0.01, ge=0)
        """Weight of the factors' squares."""
        alpha: float = Field(1.0, gt=0)
        """How much more an item counts that was had than one that was not."""

    config: Config

    def _fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """The factors of the items."""
        solver = need("implicit.cpu.als", "als", _PURPOSE).AlternatingLeastSquares
        config = self.config
        matrix_UI = sparse.csr_matrix(user_items(log))
        # The solver's threads are its own: each would wait for those of BLAS.
        with threadpool_limits(1, "blas"):
            model = solver(
                factors=config.dim,
                regularization=config.regularization,
                alpha=config.alpha,
                iterations=config.iterations,
                random_state=seed,
                num_threads=threads,
            )
            model.fit(matrix_UI, show_progress=False)
        factors_ID = np.ascontiguousarray(model.item_factors, np.float32)
        gram_DD = factors_ID.T.astype(np.float64) @ factors_ID + config.regularization * np.eye(config.dim)
        arrays = {"factors": factors_ID, "gram": gram_DD.astype(np.float32)}
        return Fitted("factors", arrays, {"alpha": config.alpha})
