"""Lists within groups, against a naive loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shortlist.evaluation.groups import Groups


def test_map_within_groups_is_that_of_a_naive_loop() -> None:
    random = np.random.default_rng(0)
    group_N = random.integers(-5, 40, 500)
    score_N = random.normal(size=500).astype(np.float32)
    label_N = random.random(500) < 0.1
    precisions, gains, without = [], [], 0
    for group in set(group_N.tolist()):
        rows = sorted(np.flatnonzero(group_N == group), key=lambda row: -score_N[row])
        hits = [bool(label_N[row]) for row in rows]
        if not any(hits):
            without += 1
            continue
        found = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(min(len(hits), 12)) if hits[rank]]
        precisions.append(sum(found) / min(12, sum(hits)))
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(5, sum(hits))))
        gains.append(sum(1 / math.log2(rank + 2) for rank in range(min(5, len(hits))) if hits[rank]) / ideal)
    groups = Groups.of(group_N, score_N, label_N, positions=12)
    measured = groups.measure(["map@12", "ndcg@5"])
    assert without > 3
    assert (groups.without, len(groups.relevant_G)) == (without, len(precisions))
    assert measured["map@12"].value == pytest.approx(np.mean(precisions))
    assert measured["ndcg@5"].value == pytest.approx(np.mean(gains))
    assert measured["map@12"].low < measured["map@12"].value < measured["map@12"].high


def test_equal_scores_do_not_stand_in_the_order_of_the_file() -> None:
    """The relevant row is the first of each group of two: a stable order would find them all."""
    group_N = np.repeat(np.arange(2000), 2)
    label_N = np.tile([True, False], 2000)
    groups = Groups.of(group_N, np.zeros(4000, np.float32), label_N, positions=12, seed=1)
    assert groups.measure(["map@12"])["map@12"].value == pytest.approx(0.75, abs=0.03)


def test_what_no_order_could_change_is_left_out() -> None:
    groups = Groups.of(np.array([1, 1, 1, 2]), np.zeros(4, np.float32), np.array([1, 0, 0, 1]) > 0, positions=20)
    assert list(groups.measure(["recall@20", "recall@3", "recall@2", "hit@3", "mrr@20"])) == ["recall@2", "mrr@20"]


def test_no_group_with_a_relevant_row_has_no_figure() -> None:
    nobody = Groups.of(np.array([1, 2]), np.zeros(2, np.float32), np.zeros(2, bool), positions=12)
    assert nobody.measure(["map@12"]) == {}
    assert nobody.without == 2
    nothing = Groups.of(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, bool), positions=12)
    assert nothing.measure(["map@12"]) == {}
