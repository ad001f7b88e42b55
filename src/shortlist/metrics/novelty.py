"""Novelty: how unpopular the recommended items are."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import BoolArray, IntArray


def novelty(item_UK: IntArray, valid_UK: BoolArray, count_I: IntArray) -> float:
    """Mean self-information, in bits, of the recommended items under their popularity: mean of -log2 p(item).

        p(i) = (count_i + 1) / (sum of counts + I)

    Low means that only best sellers are shown; items drawn at random from an evenly popular catalogue give
    log2(I). One is added to each count because an item nobody has used yet would be infinitely novel.

    Args:
        item_UK: item rows of the lists, in [0, I), already cut at k.
        valid_UK: whether the position holds an item; what item_UK says elsewhere is not looked at.
        count_I: training interactions by item row.

    Returns:
        The mean over all recommended positions, in bits.

    Raises:
        ValueError: shapes that differ, or no list holds any item.

    Vargas, Castells, "Rank and relevance in novelty and diversity metrics for recommender systems", RecSys
    2011.
    """
    if item_UK.shape != valid_UK.shape:
        raise ValueError(f"item_UK and valid_UK must have one shape, found {item_UK.shape} and {valid_UK.shape}")
    if not valid_UK.any():
        raise ValueError("no list holds any item: there is nothing to measure")
    share_I = (count_I + 1) / (count_I.sum() + count_I.size)
    return float(-np.log2(share_I)[item_UK[valid_UK]].mean())
