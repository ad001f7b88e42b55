"""The metrics of each kind of target, on rows worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.evaluation.tasks import Task, measure, reliabilities, reliability
from shortlist.metrics.calibration_error import calibration_error
from shortlist.schema import Target, TargetKind


def array(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


def click(*happened: float, calibrated: bool = False) -> Task:
    """Three rows of logit 0, whose sigmoid is 1/2, predicted as 1/4."""
    logits_N1, ones = np.zeros((len(happened), 1), np.float32), np.ones(len(happened), np.float32)
    return Task(Target(name="click"), logits_N1, ones * np.float32(1 / 4), array(*happened), ones, calibrated)


def test_a_binary_target_has_auc_log_loss_and_calibration() -> None:
    measured = measure(click(1, 0, 0))
    assert list(measured) == ["auc", "log_loss", "calibration_error"]
    assert measured["auc"].value == 0.5
    assert measured["log_loss"].value == pytest.approx(-(math.log(1 / 4) + 2 * math.log(3 / 4)) / 3)
    assert measured["calibration_error"].value == pytest.approx(1 / 3 - 1 / 4)
    assert measured["calibration_error"].as_dict()["low"] is None


def test_with_a_calibration_the_error_before_it_is_told_too() -> None:
    measured = measure(click(1, 0, 0, calibrated=True))
    assert measured["calibration_error_before"].value == pytest.approx(1 / 2 - 1 / 3)
    bins = reliabilities(click(1, 0, 0, calibrated=True))
    assert bins["calibration"] == [{"predicted": 0.25, "observed": pytest.approx(1 / 3), "share": 1.0}]
    assert bins["calibration_before"] == [{"predicted": 0.5, "observed": pytest.approx(1 / 3), "share": 1.0}]


def test_one_class_has_no_auc_and_no_rows_no_figure() -> None:
    assert sorted(measure(click(1, 1))) == ["calibration_error", "log_loss"]
    assert measure(click()) == {}
    assert reliabilities(click()) == {"calibration": []}


def test_a_rate_is_the_goal_itself_and_for_auc_whether_it_happened() -> None:
    """Sigmoids of 1/2 and predictions of 1/4 against rates of 0, .25 and .8, whose mean is .35."""
    measured, bins = measure(click(0, 0.25, 0.8, calibrated=True)), reliabilities(click(0, 0.25, 0.8, calibrated=True))
    assert measured["auc"].value == 0.5
    assert measured["log_loss"].value == pytest.approx(-(0.35 * math.log(1 / 4) + 0.65 * math.log(3 / 4)))
    assert measured["calibration_error"].value == pytest.approx(0.1)
    assert measured["calibration_error_before"].value == pytest.approx(0.15)
    assert bins["calibration"] == [{"predicted": 0.25, "observed": pytest.approx(0.35), "share": 1.0}]
    assert bins["calibration_before"] == [{"predicted": 0.5, "observed": pytest.approx(0.35), "share": 1.0}]


def test_a_regression_has_r2_and_its_error() -> None:
    target = Target(name="stars", kind=TargetKind.REGRESSION)
    task = Task(target, np.zeros((4, 1), np.float32), array(1, 2, 3, 9), array(1, 3, 5, 0), array(1, 1, 1, 0))
    measured = measure(task)
    assert measured["r2"].value == pytest.approx(1 - 5 / 8)
    assert measured["rmse"].value == pytest.approx(math.sqrt(5 / 3))
    assert (measured["rmse"].low, measured["rmse"].high) == pytest.approx(
        (0, math.sqrt(5 / 3 + 1.96 * 1.2019)), abs=1e-3
    )
    assert reliabilities(task) == {}


def test_a_constant_regression_has_no_r2() -> None:
    target = Target(name="stars", kind=TargetKind.REGRESSION)
    assert list(measure(Task(target, np.zeros((2, 1), np.float32), array(1, 2), array(1, 1), array(1, 1)))) == ["rmse"]


def test_a_multi_class_target_has_accuracy_and_log_loss() -> None:
    target = Target(name="kind", kind=TargetKind.MULTICLASS, classes=("a", "b", "c"))
    chances = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [1, 0, 0]], np.float32)
    task = Task(target, np.log(chances + 1e-9), chances, array(0, 1, 1), array(1, 1, 2))
    measured = measure(task)
    assert measured["accuracy"].value == pytest.approx(1 / 4)
    epsilon = float(np.finfo(np.float32).eps)
    assert measured["log_loss"].value == pytest.approx(
        -(math.log(0.5) + math.log(0.2) + 2 * math.log(epsilon)) / 4, rel=1e-5
    )
    assert reliabilities(task) == {}


def test_the_reliability_plot_is_the_calibration_error_seen_bin_by_bin() -> None:
    random = np.random.default_rng(2)
    probability_N = random.random(4000).astype(np.float32)
    label_N, weight_N = random.random(4000) < probability_N**2, random.random(4000).astype(np.float32)
    bins = reliability(probability_N, label_N, weight_N)
    gap = sum(entry["share"] * abs(entry["predicted"] - entry["observed"]) for entry in bins)
    assert len(bins) == 15
    assert gap == pytest.approx(calibration_error(probability_N, label_N, weight_N, bins=15))
    assert [entry["predicted"] for entry in bins] == sorted(entry["predicted"] for entry in bins)
