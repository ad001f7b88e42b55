"""Items in lists by where they point and how long they are, so that a query need look at a few lists only.

The highest dot product is the smallest distance once every item vector x has a further component that makes all of them
equally long, sqrt(longest^2 - |x|^2), and the query has a zero there (Bachrach et al., "Speeding Up the Xbox
Recommender System Using a Euclidean Transformation for Inner-Product Spaces", RecSys 2014). The lists are found by
k-means there. Vectors of learned models differ in length by an order of magnitude; of lists by direction alone 4 to 10
times as many must be searched for the same recall.

Legend: I items, S items of a sample, C lists, Q queries, P lists searched, D dim, E = D + 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.core.seeding import stream
from shortlist.features.rows import Floats, Longs

ROUNDS = 8
"""Of k-means: more of them leave the recall as it is."""
PER_LIST = 48
"""Items of the sample for each list."""
_PRODUCTS = 2**22
"""Products held at once."""


def equally_long(vectors_ID: Floats, length: float | None = None) -> Floats:
    """vectors_IE: with the component that makes them `length` long, by default as long as the longest of them.

    What is longer than that stays as it is.
    """
    squares_I = np.einsum("id,id->i", vectors_ID, vectors_ID)
    longest = float(squares_I.max(initial=0)) if length is None else length**2
    last_I = np.sqrt(np.maximum(longest - squares_I, 0))
    return np.concatenate([vectors_ID, last_I[:, None]], axis=1, dtype=np.float32)


class Partition:
    """The centroids of the lists."""

    def __init__(self, centroid_CE: Floats, length: float) -> None:
        """`length` is that of the vectors with their further component."""
        self.centroid_CE = centroid_CE
        self.length = length
        self._half_C = (np.einsum("ce,ce->c", centroid_CE, centroid_CE) / 2).astype(np.float32)
        self._towards_EC = np.ascontiguousarray(centroid_CE.T)

    @classmethod
    def learn(cls, vectors_ID: Floats, lists: int, seed: int) -> Partition:
        """By k-means over a sample; the same seed gives the same lists."""
        if not len(vectors_ID):
            return cls(np.zeros((1, vectors_ID.shape[1] + 1), np.float32), 0.0)
        random = stream(seed, "index")
        size = min(len(vectors_ID), lists * PER_LIST)
        row_S = np.sort(random.choice(len(vectors_ID), size, replace=False))
        squares_I = np.einsum("id,id->i", vectors_ID, vectors_ID)
        length = float(np.sqrt(squares_I.max(initial=0)))
        sample_SE = equally_long(vectors_ID[row_S], length)
        partition = cls(sample_SE[random.choice(size, min(lists, size), replace=False)], length)
        for _ in range(ROUNDS):
            list_S = partition._nearest(sample_SE)
            partition = cls(_means(sample_SE, list_S, partition.centroid_CE, random), length)
        return partition

    @classmethod
    def open(cls, path: Path) -> Partition:
        """What `save` left."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["centroids"], float(arrays["length"]))

    def save(self, path: Path) -> None:
        """Write an npz file."""
        np.savez(path, centroids=self.centroid_CE, length=self.length)

    def of(self, vectors_ID: Floats) -> Longs:
        """list_I: to which list each item belongs."""
        rows = max(1, _PRODUCTS // len(self.centroid_CE))
        starts = range(0, len(vectors_ID), rows)
        parts = [self._nearest(equally_long(vectors_ID[start : start + rows], self.length)) for start in starts]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def towards(self, query_QD: Floats, count: int) -> tuple[Longs, Floats]:
        """list_QP and distance_QP: the `count` lists that items with high products are likely to be in."""
        near_QC = query_QD @ self._towards_EC[:-1] - self._half_C
        count = min(count, near_QC.shape[1])
        list_QP = np.ascontiguousarray(np.argpartition(-near_QC, count - 1, axis=1)[:, :count])
        return list_QP, np.take_along_axis(-near_QC, list_QP, axis=1)

    def _nearest(self, vectors_SE: Floats) -> Longs:
        rows = max(1, _PRODUCTS // len(self.centroid_CE))
        near_S = np.empty(len(vectors_SE), np.int64)
        for start in range(0, len(vectors_SE), rows):
            near_SC = vectors_SE[start : start + rows] @ self._towards_EC
            near_SC -= self._half_C
            near_S[start : start + rows] = near_SC.argmax(axis=1)
        return near_S


def _means(sample_SE: Floats, list_S: Longs, before_CE: Floats, random: np.random.Generator) -> Floats:
    """The mean of each list's items; an empty list begins again at an item of the sample."""
    order_S = np.argsort(list_S, kind="stable")
    count_C = np.bincount(list_S, minlength=len(before_CE))
    used_C = np.flatnonzero(count_C)
    sums_CE = np.add.reduceat(sample_SE[order_S], (np.cumsum(count_C) - count_C)[used_C], axis=0)
    mean_CE = sample_SE[random.integers(0, len(sample_SE), len(before_CE))]
    mean_CE[used_C] = sums_CE / count_C[used_C, None]
    return mean_CE
