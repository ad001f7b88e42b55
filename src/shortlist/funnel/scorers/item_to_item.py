"""From the items of a history to all items: neighbours, EASE, graph filters.

Legend: Q requests of one block, I item rows, J items of the dense part, R rank, P pairs of a request and an item.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, RaggedBag
from shortlist.funnel.columns import Bools, Requests
from shortlist.funnel.scorers._blocks import BlockScorer, Pasts, pasts, summed_rows


class ItemToItem(BlockScorer):
    """The sum, over the history's items, of rows of an operator.

    It is a sparse or a dense matrix, and where there are two thin ones their product is added to it. Of items outside
    `items` nothing is known: they come last, below the least score of all where that is negative.

    Arrays: `items` (J,); `offsets` (I + 1), `columns` and `weights` of the sparse rows, or `dense` (J, J) of the items;
    of the thin ones `left` and `right` (I, R). Setting: `half_life` of the history's events.
    """

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        settings: Mapping[str, Any],
        eligible_I: Bools,
        threads: int = 1,
    ) -> None:
        super().__init__(arrays, settings, eligible_I, threads)
        self._sparse = RaggedBag(arrays["columns"], arrays["offsets"]) if "columns" in arrays else None
        self._place_I = np.full(self.items, -1, np.int64)
        self._place_I[arrays["items"]] = np.arange(len(arrays["items"]))
        self._unknown = 1 + np.flatnonzero(self._place_I[1:] < 0)

    def block(self, requests: Requests, rows: slice) -> Floats:
        """score_IQ."""
        past = pasts(requests, rows, self.items, self.settings["half_life"])
        score_IQ = self._of_dense(past) if self._sparse is None else self._of_sparse(self._sparse, past)
        if "left" in self.arrays:
            score_IQ += self.arrays["right"] @ _weighted_sums(self.arrays["left"], past).T
        if len(self._unknown):
            # The unknown ones' own are 0.
            least_Q = score_IQ.min(0)
            score_IQ[self._unknown] = np.where(least_Q < 0, np.nextafter(least_Q, np.float32(-np.inf)), np.float32(0))
        return score_IQ

    def _of_sparse(self, operator: RaggedBag, past: Pasts) -> Floats:
        return summed_rows(operator, self.arrays["weights"], past.items, past.weights, self.items)

    def _of_dense(self, past: Pasts) -> Floats:
        place_P = self._place_I[past.items.values]
        query_P = past.items.flat()[0][place_P >= 0]
        offsets_Q = np.searchsorted(query_P, np.arange(len(past.items) + 1))
        inside = Pasts(RaggedBag(place_P[place_P >= 0].astype(np.int32), offsets_Q), past.weights[place_P >= 0])
        score_IQ = np.zeros((self.items, len(past.items)), np.float32)
        score_IQ[self.arrays["items"]] = _weighted_sums(self.arrays["dense"], inside).T
        return score_IQ


def _weighted_sums(matrix: Floats, past: Pasts) -> Floats:
    """sum_QJ: of each request the weighted sum of the rows of its items."""
    sum_QJ = np.empty((len(past.items), matrix.shape[1]), np.float32)
    for query, (start, stop) in enumerate(pairwise(past.items.offsets_n)):
        np.matmul(past.weights[start:stop], matrix[past.items.values[start:stop]], out=sum_QJ[query])
    return sum_QJ
