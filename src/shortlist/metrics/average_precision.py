"""Average precision@k; its mean over users is MAP@k."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray
from shortlist.metrics._lists import first, ranks


def average_precision(hits_UK: BoolArray, relevant_U: IntArray, k: int) -> FloatArray:
    """Precision at the rank of each hit in the first k, summed and divided by min(k, relevant).

    This is MAP@k as Kaggle defines it (MAP@12 in "Outbrain Click Prediction", 2016), so every user can
    reach 1. The textbook measure divides by the number of relevant items instead; with one relevant item a
    user both equal the reciprocal rank.

    Args:
        hits_UK: whether the item at that position, best first, is held-out relevant; False where there is
            no item.
        relevant_U: number of held-out relevant items, at least 1.
        k: cut-off; lists shorter than k count as misses past their end.

    Returns:
        One value a user, in [0, 1].

    Raises:
        ValueError: a user without relevant items, or arrays that do not fit (see `_lists.first`).

    Manning, Raghavan, Schütze, "Introduction to Information Retrieval", 2008, section 8.4, for the
    untruncated measure.
    """
    hits_UT = first(hits_UK, relevant_U, k)
    precision_UT = np.cumsum(hits_UT, axis=1) / ranks(hits_UT)
    value_U: FloatArray = (precision_UT * hits_UT).sum(axis=1) / np.minimum(k, relevant_U)
    return value_U
