"""A model that was fitted in one go, as a source.

Legend: U requests, K candidates, I item rows, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from shortlist.features.rows import Floats, Ints
from shortlist.funnel.columns import Bools, Candidates, Requests, candidates_of_one
from shortlist.funnel.scorers._base import Scorer
from shortlist.index.similar import Cosines


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

    @property
    def vectors_ID(self) -> Floats | None:
        """See `Scorer.vectors_ID`."""
        return self.scorer.vectors_ID

    def similar(self, item_U: Ints, k: int) -> Candidates:
        """The `k` items whose vectors point most nearly as each given one's, without itself; scores are cosines.

        An item without a vector is like none, as is one that came later.
        """
        cosines, has_vector_I = self._cosines
        is_known_U = item_U < self.items
        is_known_U[is_known_U] = has_vector_I[item_U[is_known_U]]
        item_UK, cosine_UK = cosines.nearest(np.where(is_known_U, item_U, 0), k)
        item_UK[~is_known_U], cosine_UK[~is_known_U] = 0, -np.inf
        return candidates_of_one(self.name, item_UK, cosine_UK)

    @cached_property
    def _cosines(self) -> tuple[Cosines, Bools]:
        """Those between the items that have a vector, and which these are."""
        vectors_ID = self.vectors_ID
        assert vectors_ID is not None
        has_vector_I: Bools = np.asarray(vectors_ID.any(1))
        return Cosines(vectors_ID, self.scorer.eligible_I & has_vector_I), has_vector_I

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
