"""Requests and Candidates: the latest events, a new order, the first of them, and nothing changed in place."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.features.past import Events, age_column, age_rows
from shortlist.features.rows import FeatureRows, RaggedBag
from shortlist.funnel.columns import Candidates, Requests
from shortlist.schema import Column, Kind, Side

ID_OF_ITEM = np.array([100, 101, 102, 100, 104], np.int32)
"""Item 3 has no embedding of its own: it is out of vocabulary."""

PAST = (Column(name="past.type", side=Side.PAST, kind=Kind.FIELD, size=100, offset=200), age_column(300))


def requests(history: list[list[int]]) -> Requests:
    rows = FeatureRows(np.zeros((len(history), 1), np.int32), np.zeros((len(history), 0), np.float32))
    items = RaggedBag.of(history)
    events = Events(items, 10 * np.arange(len(items.values)), np.arange(200, 200 + len(items.values), dtype=np.int32))
    return Requests(
        user_U=np.zeros(len(history), np.int32),
        query=rows,
        time_U=1000 + np.arange(len(history)),
        history=events,
        exclude=RaggedBag.of([[]] * len(history)),
    )


@pytest.mark.parametrize("length", [1, 2, 5])
def test_the_latest_events_come_oldest_first(length: int) -> None:
    histories = [[1, 2, 3, 4], [], [2], [4, 1]]
    found = requests(histories).latest(length, ID_OF_ITEM)

    for place, history in enumerate(histories):
        kept = [int(ID_OF_ITEM[item]) for item in history[-length:]]
        assert found.ids_UL[place].tolist() == kept + [0] * (length - len(kept))
        assert found.length_U[place] == len(kept)
    assert found.of_B.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_each_event_comes_with_its_type_and_its_age(length: int) -> None:
    histories = [[1, 2, 3, 4], [], [2], [4, 1]]
    found = requests(histories).latest(length, ID_OF_ITEM, PAST).past_ULP
    assert found is not None
    assert requests(histories).latest(length, ID_OF_ITEM).past_ULP is None

    event = 0
    for place, history in enumerate(histories):
        told = [(200 + n, 300 + age_rows(np.array(1000 + place - 10 * n))) for n in range(event, event + len(history))]
        event += len(history)
        assert found[place].tolist() == [[*both] for both in told[-length:]] + [[0, 0]] * (length - len(history))


def test_nobody_has_a_history() -> None:
    found = requests([[], []]).latest(3, ID_OF_ITEM, PAST)

    assert found.ids_UL.tolist() == [[0, 0, 0]] * 2
    assert found.length_U.tolist() == [0, 0]
    assert found.past_ULP is not None
    assert found.past_ULP.tolist() == np.zeros((2, 3, 2)).tolist()


CANDIDATES = Candidates(
    item_UK=np.array([[4, 2, 7], [5, 0, 0]], np.int32),
    score_UK=np.array([[3, 2, 1], [9, -np.inf, -np.inf]], np.float32),
    source_UK=np.array([[0, 1, 0], [1, 0, 0]], np.int32),
    sources=("two_tower", "popularity"),
    columns={"retrieval": np.array([[3, 2, 1], [9, 0, 0]], np.float32)},
)


def test_a_new_order_moves_every_column() -> None:
    score_UK = np.array([[1, 5, 3], [2, 99, 98]], np.float32)
    ordered = CANDIDATES.ordered(score_UK, ranking=score_UK)

    assert ordered.item_UK.tolist() == [[2, 7, 4], [5, 0, 0]]
    assert ordered.source_UK.tolist() == [[1, 0, 0], [1, 0, 0]]
    assert ordered.columns["retrieval"].tolist() == [[2, 1, 3], [9, 0, 0]]
    assert ordered.columns["ranking"].tolist() == [[5, 3, 1], [2, 99, 98]]
    # What is no candidate stays behind whatever it scores.
    assert ordered.score_UK.tolist() == [[5, 3, 1], [2, -np.inf, -np.inf]]
    assert ordered.sources == CANDIDATES.sources


def test_ties_keep_their_order() -> None:
    assert CANDIDATES.ordered(np.ones((2, 3), np.float32)).item_UK.tolist() == CANDIDATES.item_UK.tolist()


def test_the_first_of_them() -> None:
    top = CANDIDATES.top(2)

    assert top.item_UK.tolist() == [[4, 2], [5, 0]]
    assert top.score_UK.shape == top.source_UK.shape == top.columns["retrieval"].shape == (2, 2)
    assert CANDIDATES.top(9).item_UK.shape == (2, 3)


def test_stages_leave_what_they_were_given() -> None:
    before = CANDIDATES.item_UK.copy(), CANDIDATES.score_UK.copy()
    CANDIDATES.ordered(-CANDIDATES.score_UK, ranking=CANDIDATES.score_UK).top(1)

    assert (CANDIDATES.item_UK == before[0]).all()
    assert (CANDIDATES.score_UK == before[1]).all()
    assert set(CANDIDATES.columns) == {"retrieval"}
