"""Where held-out items stand in lists, and the metrics that are read from it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shortlist.core.errors import UserError
from shortlist.evaluation.lists import Lists, Truth, deepest, list_metrics
from shortlist.evaluation.places import places
from shortlist.features.rows import RaggedBag
from shortlist.metrics._interval import mean_interval

KIND_I = np.array([0, 1, 1, 2, 2, 3], np.int8)


def test_places_are_those_of_a_naive_loop() -> None:
    random = np.random.default_rng(3)
    item_UK = np.stack([random.permutation(30)[:12] for _ in range(40)]).astype(np.int32)
    chosen = [random.choice(np.arange(1, 40), random.integers(0, 9), replace=False) for _ in range(40)]
    expected = [item_UK[u].tolist().index(item) if item in item_UK[u] else 12 for u in range(40) for item in chosen[u]]
    assert places(RaggedBag.of(chosen), item_UK).tolist() == expected


def test_places_in_lists_without_positions_and_of_nobody() -> None:
    assert places(RaggedBag.of([[1, 2]]), np.zeros((1, 0), np.int32)).tolist() == [0, 0]
    assert places(RaggedBag.of([]), np.zeros((0, 5), np.int32)).tolist() == []
    assert places(RaggedBag.of([[3]]), np.zeros((1, 4), np.int32)).tolist() == [4]


def test_hits_have_the_kind_of_the_item_and_short_lists_are_padded() -> None:
    truth = RaggedBag.of([[2, 5], [1, 3]])
    item_UK = np.array([[4, 5, 2], [1, 0, 0]], np.int32)
    lists = Lists.of(item_UK, truth, KIND_I, positions=5)
    assert lists.hit_UM.tolist() == [[0, 3, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert lists.shown_I.tolist() == [0, 1, 1, 0, 1, 1]


def test_batches_join_to_what_one_batch_gives() -> None:
    random = np.random.default_rng(0)
    item_UK = np.stack([random.permutation(5)[:3] + 1 for _ in range(7)]).astype(np.int32)
    truth = RaggedBag.of([random.permutation(5)[:2] + 1 for _ in range(7)])
    whole = Lists.of(item_UK, truth, KIND_I, 3)
    first, second = np.arange(4), np.arange(4, 7)
    joined = Lists.join([Lists.of(item_UK[part], truth.rows(part), KIND_I, 3) for part in (first, second)])
    assert joined.hit_UM.tolist() == whole.hit_UM.tolist()
    assert joined.shown_I.tolist() == whole.shown_I.tolist()


def test_metrics_of_all_of_some_users_and_of_one_kind_of_item() -> None:
    truth = RaggedBag.of([[2, 5], [1, 3]])
    lists = Lists.of(np.array([[4, 5, 2], [1, 2, 4]], np.int32), truth, KIND_I, positions=3)
    counts = Truth.of(truth, KIND_I)
    assert counts.relevant_U.tolist() == [2, 2]
    assert {kind: count.tolist() for kind, count in counts.relevant_by_kind.items()} == {
        1: [1, 1],
        2: [0, 1],
        3: [1, 0],
    }
    assert lists.measure(["recall@2"], counts)["recall@2"].value == 0.5
    ideal = 1 + 1 / math.log2(3)
    first, second = (1 / math.log2(3) + 1 / math.log2(4)) / ideal, 1 / ideal
    assert lists.measure(["ndcg@3"], counts)["ndcg@3"].value == pytest.approx((first + second) / 2)
    only_second = np.array([False, True])
    assert lists.measure(["hit_rate@3"], counts, only_second)["hit_rate@3"].value == 1.0
    assert lists.measure(["recall@1"], counts, kind=1)["recall@1"].value == 0.5
    assert lists.measure(["recall@3"], counts, kind=2)["recall@3"].value == 0.0
    assert lists.measure(["recall@3"], counts, np.array([False, False])) == {}


def test_coverage_counts_items_that_anybody_is_shown() -> None:
    lists = Lists.of(np.array([[4, 5, 2], [4, 0, 0]], np.int32), RaggedBag.of([[1], [1]]), KIND_I, 3)
    assert lists.coverage(catalogue=5) == 3 / 5


def test_only_metrics_with_a_cut_off_are_of_lists() -> None:
    assert list_metrics(["recall@20", "auc", "map@12"]) == ("recall@20", "map@12")
    assert deepest(["recall@20", "map@12"]) == 20
    assert deepest(["recall@2"]) == 10
    with pytest.raises(UserError, match="recall"):
        list_metrics(["recal@20"])


def test_requests_of_one_user_are_taken_together_in_intervals() -> None:
    random = np.random.default_rng(4)
    user_U = np.sort(random.integers(1, 9, 60)).astype(np.int32)
    truth = RaggedBag.of([[1 + u % 3] for u in range(60)])
    answer_UK = np.where(user_U[:, None] % 2 == 1, truth.values[:, None], 5).astype(np.int32)
    lists = Lists.of(answer_UK, truth, KIND_I, positions=1)
    together = lists.measure(["hit@1"], Truth.of(truth, KIND_I, user_U))["hit@1"]
    apart = lists.measure(["hit@1"], Truth.of(truth, KIND_I))["hit@1"]
    expected = mean_interval((user_U % 2 == 1).astype(np.float64), cluster_U=user_U)
    assert together == expected
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    some_U = user_U > 3
    of_some = lists.measure(["hit@1"], Truth.of(truth, KIND_I, user_U), some_U)["hit@1"]
    assert of_some == mean_interval((user_U[some_U] % 2 == 1).astype(np.float64), cluster_U=user_U[some_U])
