"""The ranker alone: which rows it is measured on, and the figures on them."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.core.progress import Silent
from shortlist.core.seeding import stream
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, ranking_rows
from shortlist.evaluation.ranking import _sampler, score
from shortlist.evaluation.tasks import measure
from shortlist.schema import Split
from tests.evaluation import toy
from tests.evaluation.conftest import EVENTS, Make


def test_a_log_with_real_negatives_gives_its_rows_as_they_are(funnel: Make) -> None:
    rec, data = funnel(ranking={"negatives": {"sampled": 0}})
    rows = score(rec, data, Split.TEST, Silent())
    assert rows.protocol == "all test rows as they are"
    # The logit is the item's row; user 1's events by time: 3 (target 0), 2, 13, 14, then user 2's 12.
    expected = 1 / (1 + np.exp(-np.array([3, 2, 13, 14, 12], np.float64)))
    order = np.argsort([201, 202, 213, 214, 220])
    (task,) = rows.tasks()
    assert task.predicted == pytest.approx(expected[order], abs=1e-6)
    assert task.label_N.tolist() == [False, True, True, True, True]
    assert rows.observed_N.all()
    assert measure(task)["auc"].value == pytest.approx(3 / 4)


def test_sampled_negatives_join_each_relevant_row_and_are_never_chosen_items(funnel: Make) -> None:
    rec, data = funnel(ranking={"negatives": {"sampled": 3, "observed": True}})
    rows = score(rec, data, Split.TEST, Silent())
    assert len(rows.weight_N) == 5 + 4 * 3
    assert rows.observed_N.sum() == 5
    assert rows.targets_NT.sum() == 4
    assert "3 negatives drawn by popularity" in rows.protocol
    assert rows.protocol.endswith("no event with in any split")
    again = score(rec, data, Split.TEST, Silent())
    assert rows.outputs_NO.tolist() == again.outputs_NO.tolist()
    first_item = len(data.users)
    relevant = EventRows(data, Split.TEST, relevant_only=True)
    for part in ranking_rows(relevant, Gather(data, 0), 100, 0, 0, sampler=_sampler(data, Split.TEST), sampled=50):
        negative = part.targets_BT[:, 0] == 0
        user_B, item_B = part.features.ids_BF[negative, 0], part.features.ids_BF[negative, 1] - first_item
        assert negative.sum() >= 50
        for user in (1, 2):
            drawn = set(item_B[user_B == user].tolist())
            assert drawn.isdisjoint(event.item for event in EVENTS if event.user == user)


def test_what_is_chosen_on_validation_rows_is_told_nothing_of_the_test(funnel: Make) -> None:
    """Items that were never among their negatives would be those of the test."""
    events = [*EVENTS, toy.Event(1, 5, 120, Split.VALID)]
    rec, data = funnel(ranking={"negatives": {"sampled": 3, "observed": True}}, events=events)
    user_B = np.ones(200, np.int32)
    drawn = {
        split: set(_sampler(data, split).sample(user_B, 20, lambda number: stream(number).random((200, 20))).flat)
        for split in Split
    }

    assert set(range(1, 16)) - drawn[Split.TRAIN] == {1}
    assert set(range(1, 16)) - drawn[Split.VALID] == {1, 5}
    assert set(range(1, 16)) - drawn[Split.TEST] == {1, 5, 2, 3, 13, 14}
    assert score(rec, data, Split.VALID, Silent()).protocol.endswith("no event with in valid or before")


def test_unobserved_rows_are_left_out_when_training_leaves_them_out(funnel: Make) -> None:
    rec, data = funnel(ranking={"negatives": {"sampled": 2, "observed": False}})
    rows = score(rec, data, Split.TEST, Silent())
    assert len(rows.weight_N) == 4 + 4 * 2
    assert rows.protocol.startswith("the relevant test rows")
