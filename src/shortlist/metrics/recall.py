"""Recall@k."""

from __future__ import annotations

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray
from shortlist.metrics._lists import first


def recall(hits_UK: BoolArray, relevant_U: IntArray, k: int) -> FloatArray:
    """Share of a user's relevant items that stand among the first k: hits in the first k / relevant.

    The denominator is the number of relevant items, NOT min(k, relevant): a user with more than k relevant
    items cannot reach 1. (Papers that follow Liang et al., "Variational autoencoders for collaborative
    filtering", WWW 2018, divide by min(k, relevant); their figures are higher and not comparable.)

    Args:
        hits_UK: whether the item at that position, best first, is held-out relevant; False where there is
            no item.
        relevant_U: number of held-out relevant items, at least 1.
        k: cut-off; lists shorter than k count as misses past their end.

    Returns:
        One value a user, in [0, 1].

    Raises:
        ValueError: a user without relevant items, or arrays that do not fit (see `_lists.first`).

    Manning, Raghavan, Schütze, "Introduction to Information Retrieval", 2008, section 8.3.
    """
    value_U: FloatArray = first(hits_UK, relevant_U, k).sum(axis=1) / relevant_U
    return value_U
