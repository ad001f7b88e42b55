"""Each rule on lists small enough to be worked by hand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from shortlist.core.errors import UserError
from shortlist.features.past import Events
from shortlist.features.rows import Floats, Ints, RaggedBag
from shortlist.funnel.columns import PINNED, Candidates, Requests
from shortlist.funnel.filters.columns import stored
from shortlist.funnel.rules.boost import Boosts
from shortlist.funnel.rules.cap import Caps
from shortlist.funnel.rules.codes import Codes
from shortlist.funnel.rules.diversity import Diversity
from shortlist.funnel.rules.intervals import Interval, learn_intervals
from shortlist.funnel.rules.pin import Pinned, Pins
from shortlist.funnel.rules.said import BOOST, DIVERSITY, said_of
from shortlist.funnel.rules.satisfied import SatisfiedNeeds
from tests.funnel.rules.toy import DAY, candidates, lists, requests

CATEGORY = Codes.of(
    pa.record_batch({"category": stored(pa.array([None, "tea", "tea", "tea", "mug", "mug", None, None]))}),
    "category",
    "a test",
)
MAKER = Codes(np.array([-1, 0, 1, 0, 0, 1, 0, -1], np.int32), ["a", "b"])


@dataclass(frozen=True)
class Rows:
    """A source that scores an item by minus its row."""

    name: str = "rows"

    def __call__(self, requests: Requests, k: int) -> Candidates:
        raise NotImplementedError

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        return -item_UK.astype(np.float32)

    def exact(self) -> Rows:
        return self


def pinned(asked: Requests, items: list[list[int]], *pins: Pinned) -> Candidates:
    stage = Pins(pins)
    return stage(asked, stage.proposed(asked, candidates(items), Rows()))


def test_a_pin_stands_at_its_place_whether_or_not_it_was_proposed() -> None:
    asked = requests(2)

    assert lists(pinned(asked, [[1, 2, 3], [4, 5, 0]], Pinned(3, 1))) == [[3, 1, 2], [3, 4, 5]]
    assert lists(pinned(asked, [[1, 2, 3], [4, 5, 0]], Pinned(9, 2), Pinned(3, 3))) == [[1, 9, 3, 2], [4, 9, 3, 5]]
    assert lists(pinned(asked, [[1, 2, 3], [4, 5, 0]], Pinned(9, 50))) == [[1, 2, 3, 9], [4, 5, 9]]
    found = pinned(asked, [[1, 2, 3], [4, 5, 0]], Pinned(9, 2))
    assert [found.sources[place] for place in found.source_UK[0, :3]] == ["toy", "pin", "toy"]
    assert said_of({PINNED: float(found.columns[PINNED][0, 1])}) == ("pinned to place 2",)


def test_a_pin_overrides_nothing_that_a_request_leaves_out() -> None:
    within_I = np.arange(10) != 8
    asked = requests(3, exclude=[[9], [], []], within_I=within_I, allowed=RaggedBag.of([[1, 8, 9], [1, 8, 9], [1]]))
    items = [[1, 0], [1, 0], [1, 0]]

    assert lists(pinned(asked, items, Pinned(9, 1))) == [[1], [9, 1], [1]]
    assert lists(pinned(asked, items, Pinned(8, 1))) == [[1], [1], [1]]
    some = Pinned(9, 1, lambda requests: np.array([True, False, True])[: len(requests)])
    assert lists(pinned(requests(3), items, some)) == [[9, 1], [1], [9, 1]]


def test_a_boost_is_added_to_the_standardised_score() -> None:
    kept_I = np.isin(np.arange(8), [2, 3])
    # Of 4, 2 and 0 the mean is 2 and the deviation sqrt(8 / 3).
    found = Boosts([(kept_I, 1.0), (np.arange(8) == 3, 2.0)])(requests(1), candidates([[1, 2, 3, 0]], [[4, 2, 0, 0]]))
    deviation = np.sqrt(8 / 3)

    assert lists(found) == [[3, 1, 2]]
    assert found.score_UK[0, :3] == pytest.approx([3 - 2 / deviation, 2 / deviation, 1.0])
    assert found.columns[BOOST][0, :3].tolist() == [3.0, 0.0, 1.0]
    assert said_of({BOOST: 3.0}) == ("boosted by +3",)


def test_a_cap_counts_down_the_list_and_items_without_a_value_are_free() -> None:
    found = Caps([(CATEGORY, 1)])(requests(2), candidates([[1, 2, 4, 3, 6, 7], [5, 4, 3, 0, 0, 0]]))

    assert lists(found) == [[1, 4, 6, 7], [5, 3]]


def test_an_item_that_one_cap_leaves_out_does_not_count_for_another() -> None:
    # 2 is one too many of tea; were it counted as maker b's, 5 would be left out too.
    found = Caps([(CATEGORY, 1), (MAKER, 1)])(requests(1), candidates([[1, 2, 5, 3]]))

    assert lists(found) == [[1, 5]]


def test_pinned_items_stay_and_count() -> None:
    places = [[0, 0, 1, 0]]
    found = Caps([(CATEGORY, 1)])(requests(1), candidates([[1, 4, 3, 5]], places=places))

    assert lists(found) == [[4, 3]]


def test_diversity_is_maximal_marginal_relevance() -> None:
    vectors_ID = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [-1, 0]], np.float32)
    found = Diversity(vectors_ID, 0.5, 3)(requests(1), candidates([[1, 2, 3, 4, 0]], [[1.0, 0.9, 0.5, 0.0, 0.0]]))

    # Item 2 points as 1 does: .45 - .5; item 3 is like nothing: .25; item 4 is .7071 like either.
    assert lists(found) == [[1, 3, 2, 4]]
    assert found.score_UK[0, :4] == pytest.approx([0.5, 0.25, -0.05, -0.5 * np.sqrt(0.5)], abs=1e-6)
    assert found.columns[DIVERSITY][0, :4] == pytest.approx([0, 0, 1, np.sqrt(0.5)], abs=1e-6)


def naive_mmr(relevance_K: Floats, vectors_KD: Floats, weight: float) -> list[int]:
    direction_KD = vectors_KD / np.linalg.norm(vectors_KD, axis=1, keepdims=True)
    left, chosen = list(range(len(relevance_K))), list[int]()
    while left:
        likeness = {i: max([0.0, *(float(direction_KD[i] @ direction_KD[j]) for j in chosen)]) for i in left}
        best = max(left, key=lambda i: (1 - weight) * relevance_K[i] - weight * likeness[i])
        chosen.append(best)
        left.remove(best)
    return chosen


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.8, 1.0])
def test_diversity_equals_a_naive_loop(weight: float) -> None:
    random = np.random.default_rng(3)
    vectors_ID = random.standard_normal((40, 5)).astype(np.float32)
    item_UK = np.stack([random.permutation(np.arange(1, 40))[:12] for _ in range(4)]).astype(np.int32)
    score_UK = -np.sort(-random.standard_normal((4, 12)), axis=1)
    found = Diversity(vectors_ID, weight, 12)(requests(4), candidates(item_UK.tolist(), score_UK.tolist()))

    for u in range(4):
        relevance_K = (score_UK[u] - score_UK[u].min()) / np.ptp(score_UK[u])
        assert found.item_UK[u].tolist() == item_UK[u, naive_mmr(relevance_K, vectors_ID[item_UK[u]], weight)].tolist()
    assert all(a >= b for row in found.score_UK.tolist() for a, b in pairwise(row))


def test_intervals_are_learned_from_who_came_back() -> None:
    # User 1 has tea on days 0, 7 and 17 and two mugs in one basket; user 2 tea on days 0 and 30; user 3 a mug.
    items = RaggedBag.of([[], [1, 4, 2, 5, 3], [1, 1], [4], [6]])
    times = np.array([0, 1, 7, 1, 17, 0, 30, 5, 5], np.int64) * DAY
    found = learn_intervals(Events(items, times), np.ones(9, bool), CATEGORY)

    assert found == [Interval("tea", 2, 1.0, 10 * DAY), Interval("mug", 2, 0.0, None)]
    is_bought_P = np.array([1, 1, 0, 0, 1, 1, 0, 0, 0], bool)
    assert learn_intervals(Events(items, times), is_bought_P, CATEGORY) == [
        Interval("tea", 2, 0.5, 17 * DAY),
        Interval("mug", 1, 0.0, None),
    ]


def test_what_was_bought_is_left_out_until_it_is_due_again() -> None:
    history = [[(1, 6, 2)], [(1, 8, 2)], [(5, 500, 2)], [(5, 500, 1), (6, 1, 2)], [(3, 30, 2), (2, 1, 1)]]
    stage = SatisfiedNeeds(CATEGORY, np.array([7.0 * DAY, np.inf]), np.array([2], np.int32))
    found = stage(requests(5, history), candidates([[2, 4, 7]] * 5))

    # Tea is due after seven days, a mug never; views (type 1) satisfy nobody.
    assert lists(found) == [[4, 7], [2, 4, 7], [2, 7], [2, 4, 7], [2, 4, 7]]
    everything = SatisfiedNeeds(CATEGORY, np.array([7.0 * DAY, np.inf]), None)
    assert lists(everything(requests(5, history), candidates([[2, 4, 7]] * 5)))[3:] == [[2, 7], [4, 7]]
    kept = stage(requests(5, history), candidates([[2, 4, 7]] * 5, places=[[1, 0, 0]] * 5))
    assert lists(kept)[0] == [2, 4, 7]


def test_only_columns_of_one_value_have_codes() -> None:
    columns = pa.record_batch({"tags": stored(pa.array([["a"], ["b"]])), "size": stored(pa.array([1, 2]))})

    assert Codes.of(columns, "size", "rules.cap").values == [1, 2]
    with pytest.raises(UserError, match=r"rules.cap: expected a column with one value"):
        Codes.of(columns, "tags", "rules.cap")
    with pytest.raises(UserError, match=r"no column `sice`. Did you mean `size`"):
        Codes.of(columns, "sice", "rules.cap")
