"""The most popular items: the baseline every other source has to beat, and what answers where there is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats, Ints, Longs
from shortlist.funnel.columns import Candidates, Requests, candidates_of_one
from shortlist.index.exact import ExactIndex


class PopularitySource:
    """Items in the order of their relevant training events."""

    name = "popularity"

    def __init__(self, positive_count: Longs, eligible_I: npt.NDArray[np.bool_]) -> None:
        self.score_I: Floats = np.log1p(positive_count.astype(np.float32))
        # An index of one dimension: every request asks for the same direction.
        self.index = ExactIndex(self.score_I[:, None], eligible_I)

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """The `k` most popular items that are not excluded."""
        everyone = np.ones((len(requests), 1), np.float32)
        found = self.index.search(everyone, k, requests.exclude, requests.allowed, requests.within_I)
        return candidates_of_one(self.name, *found)

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items."""
        return self.score_I[item_UK]

    def exact(self) -> PopularitySource:
        """It is exact."""
        return self
