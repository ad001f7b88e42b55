"""Catalogue coverage."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import BoolArray, IntArray


def coverage(item_UK: IntArray, valid_UK: BoolArray, catalogue_size: int) -> float:
    """Share of the catalogue that is recommended to anybody: distinct items in all lists / catalogue size.

    Args:
        item_UK: item rows of the lists, already cut at k.
        valid_UK: whether the position holds an item; what item_UK says elsewhere is not looked at.
        catalogue_size: number of items that could be recommended, at least 1.

    Returns:
        A share in [0, 1]; 0 when every list is empty. It grows with the number of users: compare runs over
            the same.

    Raises:
        ValueError: shapes that differ, or more distinct items than the catalogue is said to hold.

    Ge, Delgado-Battenfeld, Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity", RecSys 2010.
    """
    if item_UK.shape != valid_UK.shape:
        raise ValueError(f"item_UK and valid_UK must have one shape, found {item_UK.shape} and {valid_UK.shape}")
    recommended = np.unique(item_UK[valid_UK]).size
    if catalogue_size < max(recommended, 1):
        raise ValueError(f"{recommended} distinct items are recommended from a catalogue of {catalogue_size}")
    return recommended / catalogue_size
