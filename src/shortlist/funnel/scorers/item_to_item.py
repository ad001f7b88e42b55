"""From the items of a history to all items: neighbours, EASE, graph filters.

Legend: U requests, Q of one block, I item rows, J items of the dense part, R rank, P pairs of a request and an item, M
values of sparse rows, C items of sums above 0, K candidates.
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
from shortlist.funnel.scorers._blocks import BlockScorer, Pasts, pasts
from shortlist.funnel.scorers._sparse import SparseRows, Sums, summed_rows
from shortlist.index.best import Best

_REQUESTS = 512
"""Requests whose histories are looked at together, at most."""
_MOST_FOUND = 2**17
"""Answers of these requests: bounds memory where much of the catalogue is asked for."""


class ItemToItem(BlockScorer):
    """The sum, over the history's items, of rows of an operator.

    It is a sparse or a dense matrix, and where there are two thin ones their product is added to it. Of items outside
    `items` nothing is known: they come last, below the least score of all where that is negative.

    Arrays: `items` (J,); `offsets` (I + 1), `columns` and `weights` of the sparse rows, or `dense` (J, J) of the items;
    of the thin ones `left` and `right` (I, R). Setting: `half_life` of the history's events.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any], eligible_I: Bools) -> None:
        super().__init__(arrays, settings, eligible_I)
        self._sparse = None
        if "columns" in arrays:
            self._sparse = SparseRows(RaggedBag(arrays["columns"], arrays["offsets"]), arrays["weights"])
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
        if self._sparse is None:
            score_IQ = self._of_dense(past)
        else:
            score_IQ = summed_rows(self._sparse, past.items, past.weights, self.items)
        if "left" in self.arrays:
            score_IQ += self.arrays["right"] @ _weighted_sums(self.arrays["left"], past).T
        if len(self._unknown):
            # The unknown ones' own are 0.
            least_Q = score_IQ.min(0)
            score_IQ[self._unknown] = np.where(least_Q < 0, np.nextafter(least_Q, np.float32(-np.inf)), np.float32(0))
        return score_IQ

    def best(self, requests: Requests, k: int) -> tuple[Ints, Floats]:
        """item_UK and score_UK, best first."""
        if self._sparse is None or "left" in self.arrays or requests.allowed is not None:
            return super().best(requests, k)
        item_UK = np.zeros((len(requests), k), np.int32)
        score_UK = np.full((len(requests), k), -np.inf, np.float32)
        sums, found = Sums(self.items), min(k, self.items)
        together = min(_REQUESTS, max(1, _MOST_FOUND // max(found, 1)))
        for start in range(0, len(requests) if found else 0, together):
            rows = slice(start, min(start + together, len(requests)))
            best = self._best_of_sums(self._sparse, sums, requests, rows, found)
            if best is None:
                # What nothing speaks for comes before what something speaks against.
                return super().best(requests, k)
            item_UK[rows, :found], score_UK[rows, :found] = best.sorted()
            self._fill(item_UK[:, :found], score_UK[:, :found], requests, rows)
        return item_UK, score_UK

    def _best_of_sums(self, operator: SparseRows, sums: Sums, requests: Requests, rows: slice, k: int) -> Best | None:
        """The best of what the histories' rows name, one request after another; None where a value is below 0."""
        past, exclude = pasts(requests, rows, self.items, self.settings["half_life"]), requests.exclude
        items, scores, counts = [], [], []
        decays = self.settings["half_life"] is not None
        for query, (start, stop) in enumerate(pairwise(past.items.offsets_n.tolist())):
            weight_P = past.weights[start:stop] if decays else None
            named_M, value_M = operator.named(past.items.values[start:stop], weight_P)
            if value_M.min(initial=0) < 0:
                return None
            sums.add(named_M, value_M)
            own = exclude.values[slice(*exclude.offsets_n[rows.start + query : rows.start + query + 2])]
            sums.forget(own[own < self.items])
            item_C, score_C = sums.take()
            if len(self._ineligible) > 1:
                score_C *= self.eligible_I[item_C]
            if requests.within_I is not None:
                score_C *= requests.within_I[item_C]
            is_best_C = score_C > 0
            if len(score_C) > k:
                is_best_C &= score_C >= np.partition(score_C, -k)[-k]
            items.append(item_C[is_best_C])
            scores.append(score_C[is_best_C])
            counts.append(len(items[-1]))
        best = Best(len(counts), k)
        best.add_some(np.repeat(np.arange(len(counts)), counts), np.concatenate(items), np.concatenate(scores))
        return best

    def _fill(self, item_UK: Ints, score_UK: Floats, requests: Requests, rows: slice) -> None:
        """Put items that nothing speaks for where lists of `rows` are short, the lower row first."""
        short = rows.start + np.flatnonzero(item_UK[rows, -1] == 0)
        if not len(short):
            return
        eligible = self._eligible if requests.within_I is None else self._eligible[requests.within_I[self._eligible]]
        exclude = requests.exclude
        for user in short:
            found = np.count_nonzero(item_UK[user])
            place = slice(*exclude.offsets_n[user : user + 2])
            taken = np.concatenate([item_UK[user, :found], exclude.values[place]])
            more = eligible[: item_UK.shape[1] + len(taken)]
            more = more[~np.isin(more, taken)][: item_UK.shape[1] - found]
            item_UK[user, found : found + len(more)] = more
            score_UK[user, found : found + len(more)] = 0

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
