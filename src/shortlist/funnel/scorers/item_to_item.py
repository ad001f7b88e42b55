"""From the items of a history to all items: neighbours, EASE, graph filters.

Legend: U requests, Q of one block, I item rows, J items of the dense part, R rank, P pairs of a request and an item, S
sums of sparse rows, K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, Floats, Ints, RaggedBag
from shortlist.funnel.columns import Bools, Requests
from shortlist.funnel.scorers._blocks import BlockScorer, Pasts, pasts, summed_rows
from shortlist.funnel.scorers._sparse import is_worth, sparse_sums
from shortlist.index.best import Best


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
        self._eligible = 1 + np.flatnonzero(eligible_I[1:])

    @property
    def compares(self) -> bool:
        """By what an item alone speaks for."""
        return True

    def similar(self, item_U: Ints, k: int) -> tuple[Ints, Floats]:
        """item_UK and score_UK: what is best for a history of the item alone, of all that it speaks for."""
        alone = RaggedBag(item_U, np.arange(len(item_U) + 1))
        nothing_U = np.zeros(len(item_U), np.int64)
        nothing = FeatureRows(np.zeros((len(item_U), 0), np.int32), np.zeros((len(item_U), 0), np.float32))
        requests = Requests(nothing_U.astype(np.int32), nothing, nothing_U, Events(alone, nothing_U), exclude=alone)
        item_UK, score_UK = self.best(requests, k)
        speaks_UK = score_UK > 0
        return np.where(speaks_UK, item_UK, 0), np.where(speaks_UK, score_UK, np.float32(-np.inf))

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

    def _best(self, requests: Requests, rows: slice, k: int) -> tuple[Ints, Floats]:
        operator, history = self._sparse, requests.history.items
        inside = RaggedBag(history.values, history.offsets_n[rows.start : rows.stop + 1])
        if operator is None or "left" in self.arrays or requests.allowed is not None:
            return super()._best(requests, rows, k)
        if not is_worth(operator, inside, self.items):
            return super()._best(requests, rows, k)
        past = pasts(requests, rows, self.items, self.settings["half_life"])
        key_S, sum_S = sparse_sums(operator, self.arrays["weights"], past, self.items)
        if (sum_S < 0).any():
            # What nothing speaks for comes before what something speaks against.
            return super()._best(requests, rows, k)
        query_S, item_S = np.divmod(key_S, self.items)
        is_found_S = (sum_S > 0) & self.eligible_I[item_S]
        if requests.within_I is not None:
            is_found_S &= requests.within_I[item_S]
        is_excluded_QI = np.zeros((len(past.items), self.items), bool)
        is_excluded_QI[self._pairs(requests.exclude, rows)[::-1]] = True
        is_found_S &= ~is_excluded_QI.reshape(-1)[key_S]
        best = Best(len(past.items), k)
        best.add_some(query_S[is_found_S], item_S[is_found_S], sum_S[is_found_S])
        item_QK, score_QK = best.sorted()
        self._fill(item_QK, score_QK, requests, rows)
        return item_QK, score_QK

    def _fill(self, item_QK: Ints, score_QK: Floats, requests: Requests, rows: slice) -> None:
        """Put items that nothing speaks for where lists are short, the lower row first."""
        short = np.flatnonzero(item_QK[:, -1] == 0)
        if not len(short):
            return
        eligible = self._eligible if requests.within_I is None else self._eligible[requests.within_I[self._eligible]]
        exclude = requests.exclude
        for query in short:
            found = np.count_nonzero(item_QK[query])
            place = slice(*exclude.offsets_n[rows.start + query : rows.start + query + 2])
            taken = np.concatenate([item_QK[query, :found], exclude.values[place]])
            more = eligible[: item_QK.shape[1] + len(taken)]
            more = more[~np.isin(more, taken)][: item_QK.shape[1] - found]
            item_QK[query, found : found + len(more)] = more
            score_QK[query, found : found + len(more)] = 0

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
