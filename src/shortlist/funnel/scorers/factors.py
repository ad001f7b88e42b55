"""Factors of items, and those of whoever asks solved for from the history.

Legend: U requests, Q requests of one block, I item rows, D dim, K candidates, L items of a history.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints
from shortlist.funnel.columns import Bools, Requests
from shortlist.funnel.scorers._base import Scorer
from shortlist.funnel.scorers._blocks import pasts
from shortlist.index.exact import ExactIndex
from shortlist.index.similar import Cosines

_REQUESTS = 256
"""Requests whose factors are solved for at once."""


class Factors(Scorer):
    """Items by the product of their factors and the request's (Hu, Koren, Volinsky, ICDM 2008).

    With Y the factors of all items, Y_L those of the history's, and l the regularization, the request's are the x of
    (Y'Y + l I + (alpha - 1) Y_L' Y_L) x = alpha Y_L' 1. Without a history they are 0, and all scores with them.

    Arrays: `factors` (I, D), `gram` = Y'Y + l I (D, D). Setting: `alpha`.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any], eligible_I: Bools) -> None:
        super().__init__(arrays, settings, eligible_I)
        self._index = ExactIndex(arrays["factors"], eligible_I)

    @property
    def compares(self) -> bool:
        """By the directions of factors."""
        return True

    def best(self, requests: Requests, k: int) -> tuple[Ints, Floats]:
        """item_UK and score_UK, best first."""
        query_UD = self.encode(requests)
        return self._index.search(query_UD, k, requests.exclude, requests.allowed, requests.within_I)

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items."""
        score_UK: Floats = (self.arrays["factors"][item_UK] @ self.encode(requests)[:, :, None])[:, :, 0]
        return score_UK

    def similar(self, item_U: Ints, k: int) -> tuple[Ints, Floats]:
        """item_UK and cosine_UK. An item that was in no history has no factors, and is like none."""
        item_UK, cosine_UK = self._cosines.nearest(item_U, k)
        has_none_U = ~self.arrays["factors"][item_U].any(1)
        item_UK[has_none_U], cosine_UK[has_none_U] = 0, -np.inf
        return item_UK, cosine_UK

    @cached_property
    def _cosines(self) -> Cosines:
        factors_ID = self.arrays["factors"]
        return Cosines(factors_ID, self.eligible_I & factors_ID.any(1))

    def encode(self, requests: Requests) -> Floats:
        """The requests' factors, query_UD."""
        query_UD = np.empty((len(requests), self.arrays["factors"].shape[1]), np.float32)
        for start in range(0, len(requests), _REQUESTS):
            rows = slice(start, min(start + _REQUESTS, len(requests)))
            query_UD[rows] = self._solved(requests, rows)
        return query_UD

    def _solved(self, requests: Requests, rows: slice) -> Floats:
        factors_ID, gram_DD, alpha = self.arrays["factors"], self.arrays["gram"], np.float32(self.settings["alpha"])
        items = pasts(requests, rows, len(factors_ID), None).items
        right_QD = np.zeros((len(items), factors_ID.shape[1]), np.float32)
        for query, (start, stop) in enumerate(pairwise(items.offsets_n)):
            right_QD[query] = alpha * factors_ID[items.values[start:stop]].sum(0)
        if alpha == 1:
            # The left side is the same for all.
            of_all: Floats = np.linalg.solve(gram_DD, right_QD.T).T
            return of_all
        left_QDD = np.repeat(gram_DD[None], len(items), 0)
        for query, (start, stop) in enumerate(pairwise(items.offsets_n)):
            of_history_LD = factors_ID[items.values[start:stop]]
            left_QDD[query] += (alpha - 1) * (of_history_LD.T @ of_history_LD)
        solved: Floats = np.linalg.solve(left_QDD, right_QD[:, :, None])[:, :, 0]
        return solved
