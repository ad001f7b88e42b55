"""The six metrics of ranked lists: against naive loops, by hand, and at the edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray
from shortlist.metrics.average_precision import average_precision
from shortlist.metrics.hit_rate import hit_rate
from shortlist.metrics.ndcg import ndcg
from shortlist.metrics.precision import precision
from shortlist.metrics.recall import recall
from shortlist.metrics.reciprocal_rank import reciprocal_rank

Metric = Callable[[BoolArray, IntArray, int], FloatArray]
Naive = Callable[[list[bool], int, int], float]


def naive_recall(hits: list[bool], relevant: int, k: int) -> float:
    return sum(hits[:k]) / relevant


def naive_precision(hits: list[bool], relevant: int, k: int) -> float:
    return sum(hits[:k]) / k


def naive_hit_rate(hits: list[bool], relevant: int, k: int) -> float:
    return 1.0 if True in hits[:k] else 0.0


def naive_reciprocal_rank(hits: list[bool], relevant: int, k: int) -> float:
    for position, hit in enumerate(hits[:k]):
        if hit:
            return 1 / (position + 1)
    return 0.0


def naive_ndcg(hits: list[bool], relevant: int, k: int) -> float:
    gained = 0.0
    for position, hit in enumerate(hits[:k]):
        gained += hit / math.log2(position + 2)
    ideal = 0.0
    for position in range(min(k, relevant)):
        ideal += 1 / math.log2(position + 2)
    return gained / ideal


def naive_average_precision(hits: list[bool], relevant: int, k: int) -> float:
    total, found = 0.0, 0
    for position, hit in enumerate(hits[:k]):
        if hit:
            found += 1
            total += found / (position + 1)
    return total / min(k, relevant)


PAIRS: list[tuple[Metric, Naive]] = [
    (recall, naive_recall),
    (precision, naive_precision),
    (hit_rate, naive_hit_rate),
    (reciprocal_rank, naive_reciprocal_rank),
    (ndcg, naive_ndcg),
    (average_precision, naive_average_precision),
]
every_metric = pytest.mark.parametrize("metric", [metric for metric, _ in PAIRS])


@st.composite
def lists(draw: st.DrawFn) -> tuple[BoolArray, IntArray, int]:
    """Lists of 0 to 12 positions, k on either side of that, and at least as many relevant items as hits."""
    users, length = draw(st.integers(1, 5)), draw(st.integers(0, 12))
    row = st.lists(st.booleans(), min_size=length, max_size=length)
    hits = np.array(draw(st.lists(row, min_size=users, max_size=users)), dtype=np.bool_).reshape(users, length)
    beyond = draw(st.lists(st.integers(0, 6), min_size=users, max_size=users))
    return hits, np.maximum(hits.sum(axis=1) + np.array(beyond), 1), draw(st.integers(1, 15))


@pytest.mark.parametrize(("metric", "naive"), PAIRS)
@given(case=lists())
@settings(max_examples=100, deadline=None)
def test_equals_the_naive_loop(metric: Metric, naive: Naive, case: tuple[BoolArray, IntArray, int]) -> None:
    hits, relevant, k = case
    expected = [naive(row, int(count), k) for row, count in zip(hits.tolist(), relevant, strict=True)]
    np.testing.assert_allclose(metric(hits, relevant, k), expected, rtol=1e-12)


# One user, five relevant items, hits at ranks 1, 3 and 4, cut at 3.
@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (recall, 2 / 5),  # two of the five; not 2 / min(3, 5)
        (precision, 2 / 3),
        (hit_rate, 1.0),
        (reciprocal_rank, 1.0),
        (ndcg, 1.5 / (1 + 1 / math.log2(3) + 0.5)),  # ranks 1 and 3 give 1 + 1/2; the ideal has ranks 1, 2, 3
        (average_precision, (1 + 2 / 3) / 3),  # precision 1 at rank 1, 2/3 at rank 3; over min(3, 5)
    ],
)
def test_by_hand(metric: Metric, value: float) -> None:
    hits = np.array([[True, False, True, True, False]])
    assert metric(hits, np.array([5]), 3)[0] == pytest.approx(value, rel=1e-12)


def test_map_12_of_one_clicked_ad_is_its_reciprocal_rank() -> None:
    hits = np.eye(14, dtype=np.bool_)  # user u has the hit at rank u + 1
    one = np.ones(14, dtype=np.int64)
    expected = [1 / rank if rank <= 12 else 0 for rank in range(1, 15)]
    np.testing.assert_allclose(average_precision(hits, one, 12), expected)
    np.testing.assert_allclose(reciprocal_rank(hits, one, 12), expected)


@pytest.mark.parametrize("metric", [precision, hit_rate, reciprocal_rank, ndcg, average_precision])
def test_a_perfect_list_reaches_1_also_with_more_relevant_items_than_places(metric: Metric) -> None:
    assert metric(np.ones((1, 10), dtype=np.bool_), np.array([40]), 10)[0] == pytest.approx(1.0)


def test_recall_cannot_reach_1_with_more_relevant_items_than_places() -> None:
    assert recall(np.ones((1, 10), dtype=np.bool_), np.array([40]), 10)[0] == 0.25


@every_metric
def test_a_short_list_is_the_list_filled_up_with_misses(metric: Metric) -> None:
    short = np.array([[False, True, True]])
    filled = np.pad(short, ((0, 0), (0, 7)))
    assert metric(short, np.array([4]), 10) == metric(filled, np.array([4]), 10)


@every_metric
def test_lists_without_positions_are_worth_0_and_no_users_give_no_values(metric: Metric) -> None:
    assert metric(np.zeros((2, 0), dtype=np.bool_), np.array([1, 2]), 10).tolist() == [0.0, 0.0]
    assert metric(np.zeros((0, 3), dtype=np.bool_), np.zeros(0, dtype=np.int64), 10).shape == (0,)


@every_metric
@pytest.mark.parametrize(
    ("hits", "relevant", "k", "says"),
    [
        ([[True]], [1], 0, "k must be at least 1, found 0"),
        ([[True], [False]], [1, 0], 5, "1 of 2 users have no relevant item: leave them out"),
        ([[True, True]], [1], 1, "more hits than relevant items"),
        ([[True]], [1, 1], 1, r"found \(1, 1\) and \(2,\)"),
        ([True], [1], 1, r"found \(1,\) and \(1,\)"),
    ],
)
def test_refuses_what_has_no_value(metric: Metric, hits: Any, relevant: list[int], k: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        metric(np.array(hits), np.array(relevant), k)
