"""NDCG@k with binary gains."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray
from shortlist.metrics._lists import first, ranks


def ndcg(hits_UK: BoolArray, relevant_U: IntArray, k: int) -> FloatArray:
    """Discounted cumulative gain of the first k over that of the best possible list.

        DCG@k = sum over hits in the first k of 1 / log2(1 + rank),   NDCG@k = DCG@k / ideal DCG@k

    Gains are binary. The ideal list has min(k, relevant) hits in front, so every user can reach 1.

    Args:
        hits_UK: whether the item at that position, best first, is held-out relevant; False where there is
            no item.
        relevant_U: number of held-out relevant items, at least 1.
        k: cut-off; lists shorter than k count as misses past their end.

    Returns:
        One value a user, in [0, 1].

    Raises:
        ValueError: a user without relevant items, or arrays that do not fit (see `_lists.first`).

    Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002; the
    discount log2(1 + rank) is that of Burges et al., "Learning to rank using gradient descent", ICML 2005.
    """
    hits_UT = first(hits_UK, relevant_U, k)
    dcg_U = hits_UT @ (1.0 / np.log2(1.0 + ranks(hits_UT)))
    ideal_k = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))
    value_U: FloatArray = dcg_U / ideal_k[np.minimum(k, relevant_U) - 1]
    return value_U
