"""What the metrics of ranked lists share: the checked first k positions."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray


def first(hits_UK: BoolArray, relevant_U: IntArray, k: int) -> BoolArray:
    """The hits at the first k positions, hits_UT with T = min(k, K).

    A list shorter than k counts as misses past its end, and so does a position that holds no item.

    Raises:
        ValueError: k below 1, shapes that do not fit, a user with no relevant item (such a user has no
            value for any of these metrics and must be left out of the evaluation), or more hits than
            relevant items.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, found {k}")
    if hits_UK.ndim != 2 or relevant_U.shape != hits_UK.shape[:1]:
        raise ValueError(f"expected hits (U, K) and relevant (U,), found {hits_UK.shape} and {relevant_U.shape}")
    without = int(np.count_nonzero(relevant_U < 1))
    if without:
        raise ValueError(
            f"{without} of {relevant_U.size} users have no relevant item: leave them out of the evaluation"
        )
    hits_UK = hits_UK.astype(np.bool_, copy=False)
    if np.any(hits_UK.sum(axis=1) > relevant_U):
        raise ValueError("a user has more hits than relevant items: a list repeats an item, or relevant_U is wrong")
    return hits_UK[:, :k]


def ranks(hits_UT: BoolArray) -> FloatArray:
    """Rank of each position, best first: 1, 2, ..., T."""
    return np.arange(1, hits_UT.shape[1] + 1, dtype=np.float64)
