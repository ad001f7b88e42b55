"""A model that was fitted in one go, as a source.

Legend: U requests, K candidates, I item rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shortlist.features.rows import Floats, Ints
from shortlist.funnel.columns import Candidates, Requests, candidates_of_one
from shortlist.funnel.scorers._base import Scorer


@dataclass(frozen=True)
class FittedSource:
    """The best items by a scorer."""

    name: str
    scorer: Scorer
    items: int
    """Item rows that it was fitted on. Of later ones it knows nothing: they are never found, and their score is 0."""

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """At most `k` items."""
        return candidates_of_one(self.name, *self.scorer.best(self._as_fitted(requests), k))

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items."""
        is_known_UK = item_UK < self.items
        score_UK = self.scorer.scores(self._as_fitted(requests), np.where(is_known_UK, item_UK, 0))
        return np.where(is_known_UK, score_UK, np.float32(0))

    def similar(self, item_U: Ints, k: int) -> Candidates:
        """The `k` items most like each given one, see `Scorer.similar`. An item that came later is like none."""
        is_known_U = item_U < self.items
        item_UK, score_UK = self.scorer.similar(np.where(is_known_U, item_U, 0), k)
        item_UK[~is_known_U], score_UK[~is_known_U] = 0, -np.inf
        return candidates_of_one(self.name, item_UK, score_UK)

    def exact(self) -> FittedSource:
        """It is exact."""
        return self

    def _as_fitted(self, requests: Requests) -> Requests:
        """The requests without items that came later."""
        allowed = requests.allowed
        return replace(
            requests,
            history=requests.history.below(self.items),
            exclude=requests.exclude.below(self.items),
            allowed=None if allowed is None else allowed.below(self.items),
            within_I=None if requests.within_I is None else requests.within_I[: self.items],
        )
