"""AUC: against all pairs, by hand, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.metrics.auc import auc

Row = tuple[int, bool, int]


def naive(rows: list[Row]) -> float:
    right, total = 0.0, 0.0
    for score, label, weight in rows:
        for other_score, other_label, other_weight in rows:
            if label and not other_label:
                pair = weight * other_weight
                total += pair
                right += pair * (1.0 if score > other_score else 0.5 if score == other_score else 0.0)
    return right / total


# Few distinct scores, so that ties abound; weight 0 is a row that is not there.
rows_strategy = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40
).filter(lambda rows: {label for _, label, weight in rows if weight} == {True, False})


@given(rows=rows_strategy)
@settings(max_examples=200, deadline=None)
def test_equals_the_share_of_pairs_in_order(rows: list[Row]) -> None:
    score, label, weight = (np.array(column) for column in zip(*rows, strict=True))
    assert auc(score.astype(np.float64), label, weight.astype(np.float64)) == pytest.approx(naive(rows), abs=1e-12)


def test_by_hand() -> None:
    # Positives .8 and .4, negatives .6, .4, .1: .8 beats all 3; .4 beats .1 and ties with .4: (3 + 1.5) / 6.
    score = np.array([0.8, 0.4, 0.6, 0.4, 0.1])
    assert auc(score, np.array([1, 1, 0, 0, 0])) == 0.75


def test_extremes() -> None:
    label = np.array([0, 0, 1, 1])
    assert auc(np.array([1.0, 2.0, 3.0, 4.0]), label) == 1.0
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), label) == 0.0
    assert auc(np.zeros(4), label) == 0.5
    assert auc(np.array([-np.inf, 0.0, 1.0, np.inf]), label) == 1.0


def test_only_the_order_of_scores_matters() -> None:
    random = np.random.default_rng(0)
    score = random.normal(size=1000).astype(np.float32)
    label = random.random(1000) < 0.3
    assert auc(score, label) == auc(np.arctan(score.astype(np.float64)), label)


def test_a_weight_of_2_is_the_row_twice() -> None:
    score, label = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])
    twice = [0, 1, 1, 2, 3]
    weighted = auc(score, label, np.array([1.0, 2.0, 1.0, 1.0]))
    assert weighted == pytest.approx(auc(score[twice], label[twice]), abs=1e-15)
    assert weighted != pytest.approx(auc(score, label))


@pytest.mark.parametrize(("label", "only"), [([1, 1], "positive"), ([0, 0], "negative")])
def test_one_class_alone_has_no_auc(label: list[int], only: str) -> None:
    with pytest.raises(ValueError, match=f"AUC needs both classes; all 2 rows are {only}"):
        auc(np.array([0.1, 0.2]), np.array(label))


def test_a_class_whose_weights_are_all_0_is_not_there() -> None:
    with pytest.raises(ValueError, match="all 1 rows are positive"):
        auc(np.array([0.1, 0.2]), np.array([0, 1]), np.array([0.0, 1.0]))


@pytest.mark.parametrize(
    ("score", "label", "weight", "says"),
    [
        ([0.1, np.nan], [0, 1], None, "1 of 2 predictions are NaN"),
        ([0.1, 0.2], [0, 2], None, "labels must be 0 or 1, found 2"),
        ([0.1, 0.2], [1, 0.25], None, "labels must be 0 or 1, found 0.25"),
        ([0.1, 0.2], [0.0, np.nan], None, "labels must be 0 or 1, found nan"),
        ([0.1, 0.2], [0, 1, 1], None, "arrays of one length"),
        ([[0.1, 0.2]], [[0, 1]], None, "arrays of one length"),
        ([0.1, 0.2], [0, 1], [1.0], "arrays of one length"),
        ([0.1, 0.2], [0, 1], [1.0, -1.0], "weights must be finite and not negative"),
        ([0.1, 0.2], [0, 1], [0.0, 0.0], "no row with a weight above 0"),
        ([], [], None, "no row with a weight above 0"),
    ],
)
def test_refuses_broken_rows(score: list[float], label: list[float], weight: list[float] | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        auc(np.array(score), np.array(label), None if weight is None else np.array(weight))
