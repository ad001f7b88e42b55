"""Hit rate@k."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray
from shortlist.metrics._lists import first


def hit_rate(hits_UK: BoolArray, relevant_U: IntArray, k: int) -> FloatArray:
    """Whether any relevant item stands among the first k: 1 or 0 a user; the mean over users is the hit rate.

    With one held-out item a user (leave-one-out) this equals recall@k.

    Args:
        hits_UK: whether the item at that position, best first, is held-out relevant; False where there is
            no item.
        relevant_U: number of held-out relevant items, at least 1; only checked, as for all metrics of this
            shape.
        k: cut-off; lists shorter than k count as misses past their end.

    Returns:
        One value a user, 0 or 1.

    Raises:
        ValueError: a user without relevant items, or arrays that do not fit (see `_lists.first`).

    Deshpande, Karypis, "Item-based top-N recommendation algorithms", ACM TOIS 22(1), 2004.
    """
    hit_U: BoolArray = np.any(first(hits_UK, relevant_U, k), axis=1)
    return hit_U.astype(np.float64)
