"""One target of a ranker on the rows that tell it, and what its predictions are worth there.

Legend: N rows, C classes, B bins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats
from shortlist.funnel.calibration import UNCALIBRATED
from shortlist.metrics._arrays import LabelArray
from shortlist.metrics._binary import probability_rows, ranks, weight_below
from shortlist.metrics._interval import Estimate, auc_interval, log_loss_interval, mean_interval, rmse_interval
from shortlist.metrics.calibration_error import calibration_error
from shortlist.metrics.r2 import r2
from shortlist.schema import Target, TargetKind

BINS = 15


@dataclass(frozen=True, slots=True)
class Task:
    """A target, what is predicted of it and what happened."""

    target: Target
    outputs_NC: Floats
    """The model's own outputs for it: a logit, a value, or a logit for each class."""
    predicted: Floats
    """probability_N of a binary target, value_N of a regression, probability_NC of a multi-class one."""
    happened_N: Floats
    weight_N: Floats
    calibrated: bool = False
    """Whether the probability is another function of the logit than its sigmoid."""

    @property
    def logit_N(self) -> Floats:
        """Of a binary target."""
        return self.outputs_NC[:, 0]

    @property
    def label_N(self) -> npt.NDArray[np.bool_]:
        """Of a binary target, whether it happened at all: where it is a rate, for what takes no rates."""
        return self.happened_N > 0


def measure(task: Task) -> dict[str, Estimate]:
    """The metrics of the target's kind by name; empty without rows, without those that one kind of row cannot have.

    binary: auc of whether it happened at all, log_loss and calibration_error of its rate, and
    `calibration_error_before` of the plain sigmoid where there is a calibration. regression: r2, rmse. multi-class:
    accuracy, log_loss.
    """
    return _MEASURES[task.target.kind](task) if (task.weight_N > 0).any() else {}


def reliability(probability_N: Floats, rate_N: LabelArray, weight_N: Floats) -> list[dict[str, Any]]:
    """Mean prediction and observed rate in the bins of `calibration_error`, lowest first."""
    if not (weight_N > 0).any():
        return []
    checked = probability_rows(probability_N, rate_N, weight_N)
    quantile_N = weight_below(ranks(checked.value_N), checked.weight_N) / checked.weight_N.sum()
    bin_N = (quantile_N * BINS).astype(np.int64)
    weight_B = np.bincount(bin_N, weights=checked.weight_N)
    predicted_B = np.bincount(bin_N, weights=checked.weight_N * checked.value_N)
    observed_B = np.bincount(bin_N, weights=checked.weight_N * checked.label_N)
    return [
        {
            "predicted": float(predicted_B[b] / weight_B[b]),
            "observed": float(observed_B[b] / weight_B[b]),
            "share": float(weight_B[b] / weight_B.sum()),
        }
        for b in np.flatnonzero(weight_B)
    ]


def reliabilities(task: Task) -> dict[str, list[dict[str, Any]]]:
    """The bins of a binary target: `calibration`, and `calibration_before` of the plain sigmoid if it is another."""
    if task.target.kind != TargetKind.BINARY:
        return {}
    found = {"calibration": reliability(task.predicted, task.happened_N, task.weight_N)}
    if task.calibrated:
        found["calibration_before"] = reliability(UNCALIBRATED(task.logit_N), task.happened_N, task.weight_N)
    return found


def _binary(task: Task) -> dict[str, Estimate]:
    label_N, rate_N, weight_N = task.label_N, task.happened_N, task.weight_N
    found = {}
    if len(np.unique(label_N[weight_N > 0])) == 2:
        found["auc"] = auc_interval(task.logit_N, label_N, weight_N)
    found["log_loss"] = log_loss_interval(task.predicted, rate_N, weight_N)
    found["calibration_error"] = _without_interval(calibration_error(task.predicted, rate_N, weight_N, bins=BINS))
    if task.calibrated:
        before = calibration_error(UNCALIBRATED(task.logit_N), rate_N, weight_N, bins=BINS)
        found["calibration_error_before"] = _without_interval(before)
    return found


def _regression(task: Task) -> dict[str, Estimate]:
    found = {}
    if len(np.unique(task.happened_N[task.weight_N > 0])) > 1:
        found["r2"] = _without_interval(r2(task.predicted, task.happened_N, task.weight_N))
    found["rmse"] = rmse_interval(task.predicted, task.happened_N, task.weight_N)
    return found


def _multiclass(task: Task) -> dict[str, Estimate]:
    class_N = task.happened_N.astype(np.int64)
    right_N = task.predicted.argmax(axis=1) == class_N
    # As in the log loss of binary targets, one confident mistake is not an infinite loss.
    chance_N = np.maximum(task.predicted[np.arange(len(class_N)), class_N], np.finfo(np.float32).eps)
    return {
        "accuracy": mean_interval(right_N.astype(np.float64), task.weight_N),
        "log_loss": mean_interval(-np.log(chance_N.astype(np.float64)), task.weight_N),
    }


def _without_interval(value: float) -> Estimate:
    return Estimate(value, np.nan, np.nan)


_MEASURES: Mapping[TargetKind, Callable[[Task], dict[str, Estimate]]] = {
    TargetKind.BINARY: _binary,
    TargetKind.REGRESSION: _regression,
    TargetKind.MULTICLASS: _multiclass,
}
