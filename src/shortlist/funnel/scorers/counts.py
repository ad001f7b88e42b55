"""What most had, the same for all or for those of a segment.

Legend: U requests, G segments, I item rows, K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints, Longs, RaggedBag
from shortlist.funnel.columns import Bools, Requests
from shortlist.funnel.scorers._base import Scorer
from shortlist.index.exact import ExactIndex


class Counts(Scorer):
    """Items by their share of the events of the request's segment.

    Array: `shares` (G, I), row 0 for those of no known segment. Settings, where there are segments: `field`, the place
    of the segment's column among those of the request, and `offset`, that column's first row.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any], eligible_I: Bools) -> None:
        super().__init__(arrays, settings, eligible_I)
        # Of one dimension: all requests of a segment ask for the same direction.
        self._index_G = [ExactIndex(share_I[:, None], eligible_I) for share_I in arrays["shares"]]

    def best(self, requests: Requests, k: int) -> tuple[Ints, Floats]:
        """item_UK and score_UK, best first."""
        item_UK = np.zeros((len(requests), k), np.int32)
        score_UK = np.full((len(requests), k), -np.inf, np.float32)
        segment_U = self._segments(requests)
        for segment in np.unique(segment_U):
            rows = np.flatnonzero(segment_U == segment)
            allowed: RaggedBag | None = None if requests.allowed is None else requests.allowed.rows(rows)
            same_U1 = np.ones((len(rows), 1), np.float32)
            item_UK[rows], score_UK[rows] = self._index_G[segment].search(
                same_U1, k, requests.exclude.rows(rows), allowed, requests.within_I
            )
        return item_UK, score_UK

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items."""
        score_UK: Floats = self.arrays["shares"][self._segments(requests)[:, None], item_UK]
        return score_UK

    def _segments(self, requests: Requests) -> Longs:
        if "field" not in self.settings:
            return np.zeros(len(requests), np.int64)
        row_U = requests.query.ids_BF[:, self.settings["field"]].astype(np.int64) - self.settings["offset"]
        return np.where((row_U >= 0) & (row_U < len(self._index_G)), row_U, 0)
