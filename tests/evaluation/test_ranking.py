"""The ranker alone: which rows it is measured on, and the figures on them."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.core.progress import Silent
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, ranking_rows
from shortlist.evaluation.ranking import ScoredRows, _sampler, calibration, measure, score
from shortlist.metrics.calibration_error import calibration_error
from shortlist.schema import Split
from tests.evaluation.conftest import EVENTS, Make


def test_a_log_with_real_negatives_gives_its_rows_as_they_are(funnel: Make) -> None:
    rec, data = funnel(ranking={"negatives": {"sampled": 0}})
    rows = score(rec, data, Split.TEST, Silent())
    assert rows.protocol == "all test rows as they are"
    # The logit is the item's row; user 1's events by time: 3 (target 0), 2, 13, 14, then user 2's 12.
    expected = 1 / (1 + np.exp(-np.array([3, 2, 13, 14, 12], np.float64)))
    order = np.argsort([201, 202, 213, 214, 220])
    assert rows.probability_N == pytest.approx(expected[order], abs=1e-6)
    assert rows.label_N.tolist() == [False, True, True, True, True]
    measured = measure(rows)
    assert measured["auc"].value == pytest.approx(3 / 4)
    assert measured["log_loss"].value > 0
    assert measured["calibration_error"].as_dict()["low"] is None


def test_sampled_negatives_join_each_relevant_row_and_are_never_chosen_items(funnel: Make) -> None:
    rec, data = funnel(ranking={"negatives": {"sampled": 3, "observed": True}})
    rows = score(rec, data, Split.TEST, Silent())
    assert len(rows.label_N) == 5 + 4 * 3
    assert rows.label_N.sum() == 4
    assert "3 negatives drawn by popularity" in rows.protocol
    again = score(rec, data, Split.TEST, Silent())
    assert rows.probability_N.tolist() == again.probability_N.tolist()
    first_item = len(data.users)
    relevant = EventRows(data, Split.TEST, relevant_only=True)
    for part in ranking_rows(relevant, Gather(data, 0), 100, 0, 0, sampler=_sampler(data), sampled=50):
        negative = part.targets_BT[:, 0] == 0
        user_B, item_B = part.features.ids_BF[negative, 0], part.features.ids_BF[negative, 1] - first_item
        assert negative.sum() >= 50
        for user in (1, 2):
            drawn = set(item_B[user_B == user].tolist())
            assert drawn.isdisjoint(event.item for event in EVENTS if event.user == user)


def test_unobserved_rows_are_left_out_when_training_leaves_them_out(funnel: Make) -> None:
    rec, data = funnel(ranking={"negatives": {"sampled": 2, "observed": False}})
    rows = score(rec, data, Split.TEST, Silent())
    assert len(rows.label_N) == 4 + 4 * 2
    assert rows.protocol.startswith("the relevant test rows")


def test_one_class_has_no_auc_and_no_rows_no_figure() -> None:
    ones = np.ones(3, np.float32)
    assert sorted(measure(ScoredRows(np.full(3, 0.5, np.float32), ones > 0, ones, ""))) == [
        "calibration_error",
        "log_loss",
    ]
    none = np.zeros(0, np.float32)
    assert measure(ScoredRows(none, none > 0, none, "")) == {}
    assert calibration(ScoredRows(none, none > 0, none, "")) == []


def test_the_calibration_plot_is_the_calibration_error_seen_bin_by_bin() -> None:
    random = np.random.default_rng(2)
    probability_N = random.random(4000).astype(np.float32)
    label_N = random.random(4000) < probability_N**2
    rows = ScoredRows(probability_N, label_N, random.random(4000).astype(np.float32), "")
    bins = calibration(rows)
    gap = sum(entry["share"] * abs(entry["predicted"] - entry["observed"]) for entry in bins)
    assert len(bins) == 15
    assert gap == pytest.approx(calibration_error(probability_N, label_N, rows.weight_N, bins=15))
    assert [entry["predicted"] for entry in bins] == sorted(entry["predicted"] for entry in bins)
