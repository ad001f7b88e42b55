"""Where truth is lost, on a funnel worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.evaluation.lists import SHOWN
from shortlist.evaluation.lost import Fate, fates, named, shares
from shortlist.features.rows import RaggedBag

CATALOGUE_I = np.array([False] + [True] * 20 + [False])


def test_each_item_is_lost_by_the_first_stage_that_lost_it() -> None:
    answer_UK = np.arange(1, 13, dtype=np.int32)[None]
    exact_UK = np.array([[*range(1, 12), 15]], np.int32)
    truth = RaggedBag.of([[1, 10, 11, 15, 16, 21]])
    assert SHOWN == 10
    assert fates(truth, answer_UK, exact_UK, CATALOGUE_I).tolist() == [
        Fate.FOUND,
        Fate.FOUND,
        Fate.RANKED_BELOW,
        Fate.INDEX,
        Fate.NOT_AMONG_CANDIDATES,
        Fate.NOT_IN_CATALOGUE,
    ]


def test_without_a_retrieval_model_no_index_loses_anything() -> None:
    fate_P = fates(RaggedBag.of([[15]]), np.arange(1, 13, dtype=np.int32)[None], None, CATALOGUE_I)
    assert fate_P.tolist() == [Fate.NOT_AMONG_CANDIDATES]


def test_answers_shorter_than_what_is_shown_have_nothing_below() -> None:
    fate_P = fates(RaggedBag.of([[2, 3]]), np.array([[1, 2]], np.int32), None, CATALOGUE_I)
    assert fate_P.tolist() == [Fate.FOUND, Fate.NOT_AMONG_CANDIDATES]


def test_users_count_alike_and_shares_sum_to_one() -> None:
    truth = RaggedBag.of([[1], [1, 2, 3, 4]])
    fate_P = np.array([Fate.FOUND, Fate.FOUND, Fate.INDEX, Fate.RANKED_BELOW, Fate.RANKED_BELOW], np.int8)
    share_US = shares(truth, fate_P)
    assert share_US.tolist() == [[1, 0, 0, 0, 0], [0.25, 0, 0, 0.25, 0.5]]
    mean_S = share_US.mean(axis=0)
    lost = named(mean_S)
    assert lost == {
        "not_in_catalogue": 0.0,
        "not_among_candidates": 0.0,
        "index": 0.125,
        "ranked_below_10": 0.25,
    }
    assert sum(lost.values()) + mean_S[Fate.FOUND] == pytest.approx(1)
