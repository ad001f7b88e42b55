"""The mixture of sources: whose candidates get in, in which order, and what is left when they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, Floats, Ints, RaggedBag
from shortlist.funnel.columns import Candidates, Requests, candidates_of_one
from shortlist.funnel.sources.mixture import Mixture


@dataclass(frozen=True)
class Listed:
    """Proposes a fixed list to each request; an item's score is lower the higher its row."""

    name: str
    lists: Sequence[Sequence[int]]

    def __call__(self, requests: Requests, k: int) -> Candidates:
        item_UK = np.array([[*items[:k], *[0] * (k - len(items[:k]))] for items in self.lists], np.int32)
        return candidates_of_one(self.name, item_UK, self.scores(requests, item_UK))

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        return np.where(item_UK > 0, 100 - item_UK, -np.inf).astype(np.float32)

    def exact(self) -> Listed:
        return Listed(f"exact {self.name}", self.lists)


def requests(users: int) -> Requests:
    return Requests(
        user_U=np.ones(users, np.int32),
        query=FeatureRows(np.zeros((users, 0), np.int32), np.zeros((users, 0), np.float32)),
        time_U=np.zeros(users, np.int64),
        history=Events(RaggedBag.of([[]] * users), np.zeros(0, np.int64)),
        exclude=RaggedBag.of([[]] * users),
    )


def by_source(found: Candidates) -> list[dict[int, str]]:
    """Of each request its items, in their order, with who proposed each."""
    return [
        {int(item): found.sources[source] for item, source in zip(items, sources, strict=True) if item}
        for items, sources in zip(found.item_UK, found.source_UK, strict=True)
    ]


def test_each_source_has_its_part_and_the_first_ones_score_orders_all() -> None:
    towers = Listed("towers", [[1, 3, 5, 7, 9, 11], [2, 4, 6, 8, 10, 12]])
    neighbours = Listed("neighbours", [[3, 2, 20, 21, 22, 23], [50, 51, 52, 53, 54, 55]])
    popular = Listed("popular", [[1, 2, 30, 31, 32, 33], [2, 50, 60, 61, 62, 63]])

    found = Mixture(towers, [neighbours, popular], [2 / 6, 1 / 6])(requests(2), 6)

    # The second source's best that is not among the first one's three, then the third's that neither proposed.
    assert by_source(found) == [
        {1: "towers", 2: "neighbours", 3: "towers", 5: "towers", 20: "neighbours", 30: "popular"},
        {2: "towers", 4: "towers", 6: "towers", 50: "neighbours", 51: "neighbours", 60: "popular"},
    ]
    assert (found.columns["retrieval"] == found.score_UK).all()
    assert (np.diff(found.score_UK, axis=1) < 0).all()


def test_the_first_source_fills_what_the_others_leave() -> None:
    towers = Listed("towers", [[1, 2, 3, 4, 5, 6]])
    short = Listed("short", [[2, 40]])

    found = Mixture(towers, [short], [0.5])(requests(1), 6)

    assert by_source(found) == [{1: "towers", 2: "towers", 3: "towers", 4: "towers", 5: "towers", 40: "short"}]


def test_nobody_has_anything() -> None:
    found = Mixture(Listed("towers", [[]]), [Listed("others", [[]])], [0.5])(requests(1), 4)

    assert found.item_UK.tolist() == [[0, 0, 0, 0]]
    assert np.isneginf(found.score_UK).all()


def test_searching_exactly_is_asked_of_every_source() -> None:
    mixture = Mixture(Listed("a", [[1]]), [Listed("b", [[2]])], [0.5])

    assert mixture.exact().name == "exact a+exact b"
    assert mixture.name == "a+b"


@pytest.mark.parametrize("k", [1, 2, 5, 9])
@given(data=st.data())
def test_as_many_as_there_are_and_none_twice(k: int, data: st.DataObject) -> None:
    items = st.lists(st.integers(1, 15), max_size=12, unique=True)
    sources = [Listed(name, data.draw(st.tuples(items, items, items))) for name in ("a", "b", "c")]

    found = Mixture(sources[0], sources[1:], [0.3, 0.3])(requests(3), k)

    for u in range(3):
        proposed = {item for source in sources for item in source.lists[u][:k]}
        items_K = [int(item) for item in found.item_UK[u] if item]
        assert len(items_K) == len(set(items_K))
        assert set(items_K) <= proposed
        # Others may have more to offer than their part, but the first one has offered all that it has.
        offered = {*sources[0].lists[u][:k]}
        assert len(items_K) == k or offered <= set(items_K)
        assert (found.item_UK[u] > 0).tolist() == sorted((found.item_UK[u] > 0).tolist(), reverse=True)
