"""A fitted model as a source: it answers for the items that it was fitted on, and for no others."""

from __future__ import annotations

import numpy as np

from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, Floats, Ints, RaggedBag
from shortlist.funnel.columns import Bools, Requests
from shortlist.funnel.scorers._base import Scorer
from shortlist.funnel.scorers.factors import Factors
from shortlist.funnel.sources.fitted import FittedSource
from shortlist.index.exact import ExactIndex

ITEMS = 5


class ByLast(Scorer):
    """Items by their distance from the last of the history; any row that it was not fitted on is an IndexError."""

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        of_item_II = np.array([[-abs(i - j) for j in range(ITEMS)] for i in range(ITEMS)], np.float32)
        last_U = [requests.history.rows(np.array([u])).items.values[-1:].tolist() or [1] for u in range(len(requests))]
        score_UK: Floats = of_item_II[np.array(last_U), item_UK]
        return score_UK

    def best(self, requests: Requests, k: int) -> tuple[Ints, Floats]:
        everything = np.tile(np.arange(ITEMS, dtype=np.int32), (len(requests), 1))
        score_UI = self.scores(requests, everything)
        indices = [ExactIndex(score_I[:, None], self.eligible_I) for score_I in score_UI]
        found = [
            index.search(np.ones((1, 1), np.float32), k, one(requests.exclude, u), one(requests.allowed, u))
            for u, index in enumerate(indices)
        ]
        return np.concatenate([item for item, _ in found]), np.concatenate([score for _, score in found])


def one(bag: RaggedBag | None, u: int) -> RaggedBag | None:
    if bag is None:
        return None
    assert int(bag.values.max(initial=0)) < ITEMS
    return bag.rows(np.array([u]))


def asked(history: list[list[int]], exclude: list[list[int]], allowed: list[list[int]] | None = None) -> Requests:
    users = len(history)
    bag = RaggedBag.of(history)
    return Requests(
        user_U=np.zeros(users, np.int32),
        query=FeatureRows(np.zeros((users, 0), np.int32), np.zeros((users, 0), np.float32)),
        time_U=np.zeros(users, np.int64),
        history=Events(bag, np.arange(len(bag.values)), np.arange(len(bag.values), dtype=np.int32)),
        exclude=RaggedBag.of(exclude),
        allowed=None if allowed is None else RaggedBag.of(allowed),
    )


def of_factors(factors_ID: Floats, eligible_I: Bools) -> FittedSource:
    arrays = {"factors": factors_ID, "gram": np.eye(factors_ID.shape[1], dtype=np.float32)}
    return FittedSource("als", Factors(arrays, {"alpha": 1.0}, eligible_I), len(factors_ID))


def source() -> FittedSource:
    return FittedSource("by last", ByLast({}, {}, np.array([False, True, True, True, True])), ITEMS)


def test_later_items_are_unknown_in_every_part_of_a_request() -> None:
    with_later = asked([[2, 7], [6], []], [[2, 9], [], [5]], [[1, 3, 8], [4, 7], [5, 6]])
    without = asked([[2], [], []], [[2], [], []], [[1, 3], [4], []])

    found, expected = source()(with_later, 6), source()(without, 6)
    assert np.array_equal(found.item_UK, expected.item_UK)
    assert np.array_equal(found.score_UK, expected.score_UK)
    assert found.item_UK[:, :2].tolist() == [[1, 3], [4, 0], [0, 0]]
    assert found.sources == ("by last",)


def test_later_items_have_the_score_of_nothing() -> None:
    score_UK = source().scores(asked([[2], [4]], [[], []]), np.array([[2, 5, 4], [9, 3, 1]], np.int32))
    assert score_UK.tolist() == [[0, 0, -2], [0, -1, -3]]


def test_requests_without_later_items_are_passed_on_as_they_are() -> None:
    requests = asked([[2, 3], [1]], [[1], []], [[1, 2, 3, 4], [3]])
    found = source()(requests, 3)
    assert found.item_UK.tolist() == [[3, 2, 4], [3, 0, 0]]


def test_items_are_alike_by_the_cosine_of_their_factors() -> None:
    factors_ID = np.array([[0, 0], [1, 0], [50, 50], [2, 1], [0, 0], [0, 3], [-1, 0]], np.float32)
    found = of_factors(factors_ID, np.arange(7) % 5 > 0).similar(np.array([1, 3], np.int32), 3)

    assert found.item_UK.tolist() == [[3, 2, 6], [2, 1, 6]], "row 4 has no vector, row 5 may not be recommended"
    expected_UK = np.array([[2, np.sqrt(2.5), -np.sqrt(5)], [1.5 * np.sqrt(2), 2, -2]]) / np.sqrt(5)
    np.testing.assert_allclose(found.score_UK, expected_UK, rtol=1e-5)
    assert found.sources == ("als",)


def test_nothing_is_like_an_item_without_factors_or_a_later_one() -> None:
    factors_ID = np.array([[0, 0], [1, 0], [1, 1], [0, 0]], np.float32)
    found = of_factors(factors_ID, np.arange(4) > 0).similar(np.array([3, 4, 1], np.int32), 2)

    assert found.item_UK.tolist() == [[0, 0], [0, 0], [2, 0]]
    assert np.isneginf(found.score_UK[:2]).all()


def test_what_cannot_compare_says_so() -> None:
    assert not source().scorer.compares
    assert source().similar(np.array([1, 2], np.int32), 3).item_UK.tolist() == [[0, 0, 0]] * 2
