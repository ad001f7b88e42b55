"""Precision@k."""

from __future__ import annotations

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray
from shortlist.metrics._lists import first


def precision(hits_UK: BoolArray, relevant_U: IntArray, k: int) -> FloatArray:
    """Share of the first k positions that hold a relevant item: hits in the first k / k.

    The denominator is k, also when the list is shorter or the user has fewer than k relevant items: a place
    left empty is a miss.

    Args:
        hits_UK: whether the item at that position, best first, is held-out relevant; False where there is
            no item.
        relevant_U: number of held-out relevant items, at least 1; only checked, as for all metrics of this
            shape.
        k: cut-off.

    Returns:
        One value a user, in [0, 1].

    Raises:
        ValueError: a user without relevant items, or arrays that do not fit (see `_lists.first`).

    Manning, Raghavan, Schütze, "Introduction to Information Retrieval", 2008, section 8.4.
    """
    value_U: FloatArray = first(hits_UK, relevant_U, k).sum(axis=1) / k
    return value_U
