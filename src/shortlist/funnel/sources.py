"""Candidate sources: the retrieval model's nearest items, and the most popular ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import FeatureRows, Floats, Ints, Longs
from shortlist.funnel.columns import Candidates, Requests
from shortlist.funnel.session import Session
from shortlist.index.exact import ExactIndex


class TowerSource:
    """Items whose vectors are nearest to the request's."""

    def __init__(
        self,
        name: str,
        query: Session,
        vectors_ID: Floats,
        eligible_I: npt.NDArray[np.bool_],
        id_of_item: Ints,
        history: int,
    ) -> None:
        self.name = name
        self.query = query
        self.index = ExactIndex(vectors_ID, eligible_I)
        self.id_of_item = id_of_item
        self.history = history

    def encode(self, requests: Requests) -> Floats:
        """query_UD."""
        rows = requests.query
        if self.history:
            latest = requests.latest(self.history, self.id_of_item)
            rows = FeatureRows(rows.ids_BF, rows.numbers_BN, rows.bags, latest)
        vectors: Floats = self.query(rows)
        return vectors

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """The `k` nearest items."""
        item_UK, score_UK = self.index.search(self.encode(requests), k, requests.exclude, requests.allowed)
        return _from_one(self.name, item_UK, score_UK)


class PopularitySource:
    """Items in the order of their relevant training events; the baseline every other source has to beat."""

    name = "popularity"

    def __init__(self, positive_count: Longs, eligible_I: npt.NDArray[np.bool_]) -> None:
        # An index of one dimension: every request asks for the same direction.
        score_I = np.log1p(positive_count.astype(np.float32))
        self.index = ExactIndex(score_I[:, None], eligible_I)

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """The `k` most popular items that are not excluded."""
        everyone = np.ones((len(requests), 1), np.float32)
        item_UK, score_UK = self.index.search(everyone, k, requests.exclude, requests.allowed)
        return _from_one(self.name, item_UK, score_UK)


def _from_one(name: str, item_UK: Ints, score_UK: Floats) -> Candidates:
    return Candidates(item_UK, score_UK, np.zeros(item_UK.shape, np.int32), (name,), {"retrieval": score_UK})
