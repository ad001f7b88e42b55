"""From a history to the users who are like it, and to their items.

Legend: Q requests of one block, U users of the log, I item rows, N neighbours of all requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, RaggedBag
from shortlist.funnel.columns import Bools, Requests
from shortlist.funnel.scorers._blocks import BlockScorer, Pasts, pasts
from shortlist.funnel.scorers._sparse import SparseRows, summed_rows
from shortlist.index.best import Best


class UserToUser(BlockScorer):
    """The sum, over the nearest users, of their items, each times the user's similarity.

    Whoever asks is no neighbour of himself. Arrays: `offsets_by_user` (U + 1) and `items`, `offsets_by_item` (I + 1)
    and `users`: who had what, both ways; `item_weight` (I,), `user_factor` (U,) and `user_square` (U,), what the
    similarity is made of. Settings: `scale` (`cosine`, `jaccard` or `none`), `neighbours`, `shrinkage`, `half_life`.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any], eligible_I: Bools) -> None:
        super().__init__(arrays, settings, eligible_I)
        self._items = SparseRows(RaggedBag(arrays["items"], arrays["offsets_by_user"]))
        self._users = SparseRows(RaggedBag(arrays["users"], arrays["offsets_by_item"]))
        self.width = max(self.items, len(self._items))

    def block(self, requests: Requests, rows: slice) -> Floats:
        """score_IQ."""
        known = len(self.arrays["offsets_by_item"]) - 1
        past = pasts(requests, rows, known, self.settings["half_life"])
        similarity_UQ = self._similarity(past)
        asking_Q = requests.user_U[rows]
        inside_Q = np.flatnonzero((asking_Q > 0) & (asking_Q < len(similarity_UQ)))
        similarity_UQ[asking_Q[inside_Q], inside_Q] = 0
        neighbours, weight_N = self._nearest(similarity_UQ)
        return summed_rows(self._items, neighbours, weight_N, self.items)

    def _similarity(self, past: Pasts) -> Floats:
        """similarity_UQ of every user of the log to each history."""
        users = len(self._items)
        weight_P = past.weights * self.arrays["item_weight"][past.items.values]
        both_UQ = summed_rows(self._users, past.items, weight_P, users)
        if self.settings["scale"] == "none":
            both_UQ *= self.arrays["user_factor"][:, None]
            return both_UQ
        query_P = past.items.flat()[0]
        square_Q = np.bincount(query_P, weight_P * past.weights, len(past.items)).astype(np.float32)
        square_U1 = self.arrays["user_square"][:, None]
        if self.settings["scale"] == "jaccard":
            scale_UQ = square_U1 + square_Q - both_UQ
        else:
            scale_UQ = np.sqrt(square_U1) * np.sqrt(square_Q)
        scale_UQ += np.float32(self.settings["shrinkage"])
        np.divide(both_UQ, scale_UQ, out=both_UQ, where=both_UQ > 0)
        return both_UQ

    def _nearest(self, similarity_UQ: Floats) -> tuple[RaggedBag, Floats]:
        """The nearest users of each request, and their similarities."""
        users, queries = similarity_UQ.shape
        best = Best(queries, min(self.settings["neighbours"], users))
        best.add(np.where(similarity_UQ > 0, similarity_UQ, -np.inf), 0)
        user_QN, weight_QN = best.sorted()
        there_QN = weight_QN > 0
        offsets_Q = np.concatenate([np.zeros(1, np.int64), np.cumsum(there_QN.sum(1))])
        return RaggedBag(user_QN[there_QN], offsets_Q), weight_QN[there_QN]
