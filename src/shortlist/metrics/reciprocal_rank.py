"""Reciprocal rank@k; its mean over users is MRR@k."""

from __future__ import annotations

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray
from shortlist.metrics._lists import first, ranks


def reciprocal_rank(hits_UK: BoolArray, relevant_U: IntArray, k: int) -> FloatArray:
    """1 / rank of the first relevant item, 0 if the first k hold none.

    Args:
        hits_UK: whether the item at that position, best first, is held-out relevant; False where there is
            no item.
        relevant_U: number of held-out relevant items, at least 1; only checked, as for all metrics of this
            shape.
        k: cut-off; lists shorter than k count as misses past their end.

    Returns:
        One value a user: 0, or 1/k to 1.

    Raises:
        ValueError: a user without relevant items, or arrays that do not fit (see `_lists.first`).

    Voorhees, "The TREC-8 question answering track report", TREC 1999.
    """
    hits_UT = first(hits_UK, relevant_U, k)
    # The first hit has the largest 1 / rank; `initial` answers for lists without any position.
    value_U: FloatArray = (hits_UT / ranks(hits_UT)).max(axis=1, initial=0.0)
    return value_U
