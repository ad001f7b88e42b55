"""What a ranker's outputs say of each target, and the score made of it."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.funnel.calibration import Platt
from shortlist.funnel.predictions import Predictions
from shortlist.schema import Target, TargetKind

TARGETS = (
    Target(name="click"),
    Target(name="stars", kind=TargetKind.REGRESSION),
    Target(name="kind", kind=TargetKind.MULTICLASS, classes=("a", "b", "c")),
    Target(name="buy"),
)
OUTPUTS = np.array([[0, 4.5, 1, 1, 1, -2], [200, -1, 900, 0, -900, 3]], np.float32)


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_each_target_reads_its_own_columns() -> None:
    predicted = Predictions(TARGETS)(OUTPUTS)
    assert list(predicted) == ["click", "stars", "kind", "buy"]
    assert predicted["click"].tolist() == [0.5, 1.0]
    assert predicted["stars"].tolist() == [4.5, -1.0]
    assert predicted["kind"] == pytest.approx(np.array([[1 / 3] * 3, [1, 0, 0]]))
    assert predicted["buy"] == pytest.approx([sigmoid(-2), sigmoid(3)])


def test_a_regression_is_told_in_its_own_unit() -> None:
    seconds = Target(name="seconds", kind=TargetKind.REGRESSION, mean=9_000.0, deviation=400.0)
    predicted = Predictions((seconds,))(np.array([[0.0], [-2.5]], np.float32))
    assert predicted["seconds"].tolist() == [9_000, 8_000]
    assert predicted["seconds"].dtype == np.float32


def test_a_log_without_targets_has_one() -> None:
    assert {name: p.tolist() for name, p in Predictions(())(np.zeros((2, 1), np.float32)).items()} == {
        "event": [0.5, 0.5]
    }


def test_without_an_expression_the_score_is_the_first_output() -> None:
    predictions = Predictions(TARGETS, {"click": Platt(slope=2.0)})
    assert predictions.score(OUTPUTS, predictions(OUTPUTS)).tolist() == [0, 200]


def test_the_expression_is_over_calibrated_probabilities_and_values() -> None:
    predictions = Predictions(TARGETS, {"buy": Platt(slope=1.0, offset=2.0)}, score="0.2 * click + buy * stars")
    score_B = predictions.score(OUTPUTS, predictions(OUTPUTS))
    assert score_B == pytest.approx([0.2 * 0.5 + 0.5 * 4.5, 0.2 - sigmoid(5)])
    assert score_B.dtype == np.float32


def test_a_condition_scores_one_or_zero() -> None:
    predictions = Predictions(TARGETS, score="click > 0.6 and stars < 3")
    assert predictions.score(OUTPUTS, predictions(OUTPUTS)).tolist() == [0, 1]


def test_what_is_no_number_scores_zero() -> None:
    predictions = Predictions(TARGETS[:2], score="click / (stars - 4.5) + 1")
    outputs = np.array([[0, 4.5], [0, 5.5]], np.float32)
    assert predictions.score(outputs, predictions(outputs)).tolist() == [0, 1.5]
