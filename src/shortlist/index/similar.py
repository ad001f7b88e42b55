"""Items that point the same way: by cosine, as by dot product an item is nearest to the longest vectors there are.

Legend: U given items, K nearest, I item rows, n item rows of one block, D dim.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.rows import Floats, Ints
from shortlist.index.base import Bools
from shortlist.index.best import Best
from shortlist.index.exact import BLOCK_FLOATS, QUERIES


class Cosines:
    """The cosine between items' vectors; every item is looked at."""

    def __init__(self, vectors_ID: Floats, eligible_I: Bools) -> None:
        """`eligible_I` marks the item rows that may be found."""
        self._vectors_ID = vectors_ID
        length_I = np.sqrt(np.einsum("id,id->i", vectors_ID, vectors_ID))
        # An empty vector points nowhere: its cosine with every other one is 0.
        self._by_length_I = np.divide(1, length_I, out=np.zeros_like(length_I), where=length_I > 0)
        self._eligible_I = eligible_I

    def nearest(self, item_U: Ints, k: int) -> tuple[Ints, Floats]:
        """item_UK and cosine_UK, best first, equal ones by the lower row, without itself; 0 and -inf for none."""
        item_UK = np.zeros((len(item_U), k), np.int32)
        cosine_UK = np.full((len(item_U), k), -np.inf, np.float32)
        found = min(k, len(self._vectors_ID))
        for start in range(0, len(item_U) if found else 0, QUERIES):
            rows = slice(start, start + QUERIES)
            item_UK[rows, :found], cosine_UK[rows, :found] = self._best(item_U[rows], found)
        return item_UK, cosine_UK

    def _best(self, item_U: Ints, k: int) -> tuple[Ints, Floats]:
        query_DU = (self._vectors_ID[item_U] * self._by_length_I[item_U, None]).T
        best = Best(len(item_U), k)
        block = max(1, BLOCK_FLOATS // len(item_U))
        for start in range(0, len(self._vectors_ID), block):
            rows = slice(start, start + block)
            cosine_nU = (self._vectors_ID[rows] @ query_DU) * self._by_length_I[rows, None]
            cosine_nU[~self._eligible_I[rows]] = -np.inf
            inside_U = np.flatnonzero((item_U >= start) & (item_U < start + len(cosine_nU)))
            cosine_nU[item_U[inside_U] - start, inside_U] = -np.inf
            best.add(cosine_nU, start)
        return best.sorted()
