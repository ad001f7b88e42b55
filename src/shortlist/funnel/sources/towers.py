"""Items whose vectors are nearest to the request's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from shortlist.features.rows import FeatureRows, Floats, Ints
from shortlist.funnel.columns import Bools, Candidates, Requests, candidates_of_one
from shortlist.funnel.session import Session
from shortlist.index.base import Index, with_rows
from shortlist.index.exact import ExactIndex
from shortlist.index.similar import Cosines
from shortlist.schema import Column


@dataclass(frozen=True)
class TowerSource:
    """A retrieval model with a query tower, and the vectors that its candidate tower gave all items."""

    name: str
    query: Session
    index: Index
    vectors_ID: Floats
    eligible_I: Bools
    """Item rows that may be found."""
    id_of_item: Ints
    """For each item row its row of the item id column."""
    history: int
    """Most events of a history that the query tower reads."""
    past: Sequence[Column] = ()
    """What it is told of them beside their items."""

    def encode(self, requests: Requests) -> Floats:
        """query_UD."""
        rows = requests.query
        if self.history:
            latest = requests.latest(self.history, self.id_of_item, self.past)
            rows = FeatureRows(rows.ids_BF, rows.numbers_BN, rows.bags, latest)
        vectors: Floats = self.query(rows)
        return vectors

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """The `k` nearest items."""
        query_UD = self.encode(requests)
        found = self.index.search(query_UD, k, requests.exclude, requests.allowed, requests.within_I)
        return candidates_of_one(self.name, *found)

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items."""
        query_UD1 = self.encode(requests)[:, :, None]
        score_UK: Floats = (self.vectors_ID[item_UK] @ query_UD1)[:, :, 0]
        return score_UK

    def similar(self, item_U: Ints, k: int) -> Candidates:
        """The `k` items whose vectors point most nearly as each given one's, without itself; scores are cosines."""
        return candidates_of_one(self.name, *self._cosines.nearest(item_U, k))

    @cached_property
    def _cosines(self) -> Cosines:
        return Cosines(self.vectors_ID, self.index.eligible_I)

    def with_items(self, row_A: Ints, vectors_AD: Floats) -> TowerSource:
        """The same with these vectors of items that were added, from the last row on, or altered.

        The index is changed, and is that of both.
        """
        self.index.put(row_A, vectors_AD)
        self.index.remove(row_A[~self.eligible_I[row_A]])
        vectors_ID, _ = with_rows(self.vectors_ID, self.eligible_I, row_A, vectors_AD)
        return replace(self, vectors_ID=vectors_ID)

    def exact(self) -> TowerSource:
        """The same with an index that looks at every item; itself where it has one."""
        if self.index.kind == "exact" and np.array_equal(self.index.eligible_I, self.eligible_I):
            return self
        return replace(self, index=ExactIndex(self.vectors_ID, self.eligible_I))
