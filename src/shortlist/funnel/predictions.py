"""What a ranker's output says of each target, and how a candidate is scored from it.

Legend: B rows, O outputs, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.features.rows import Floats
from shortlist.funnel.calibration import UNCALIBRATED, Calibration
from shortlist.schema import Target, TargetKind
from shortlist.schema.columns import ANY_EVENT, slices
from shortlist.schema.expression import Expression

Predicted = Mapping[str, Floats]
"""By target a binary one's probability_B, a regression one's value_B, a multi-class one's probability_BC."""


class Predictions:
    """Reads the columns of outputs_BO."""

    def __init__(
        self,
        targets: Sequence[Target],
        calibrations: Mapping[str, Calibration] | None = None,
        score: str | None = None,
    ) -> None:
        """`score` is an expression over the names of binary and regression targets; None: the first output."""
        self.targets = tuple(targets) or (ANY_EVENT,)
        self.calibrations = calibrations or {}
        self.expression = Expression.parse(score) if score is not None else None
        self._columns = slices(self.targets)

    def __call__(self, outputs_BO: Floats) -> Predicted:
        """What is predicted of every target."""
        return {
            target.name: self._predicted(target, outputs_BO[:, columns])
            for target, columns in zip(self.targets, self._columns, strict=True)
        }

    def score(self, outputs_BO: Floats, predicted: Predicted) -> Floats:
        """score_B: the expression's value, where that is no number 0; without an expression the first output."""
        if self.expression is None:
            return outputs_BO[:, 0]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            score_B = np.asarray(self.expression.evaluate(predicted), np.float32)
        return np.nan_to_num(score_B, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def _predicted(self, target: Target, outputs_BC: Floats) -> Floats:
        if target.kind == TargetKind.MULTICLASS:
            return _softmax(outputs_BC)
        output_B = outputs_BC[:, 0]
        if target.kind == TargetKind.REGRESSION:
            return np.asarray(target.value(output_B), np.float32)
        calibration = self.calibrations.get(target.name, UNCALIBRATED)
        return np.asarray(calibration(output_B), np.float32)


def _softmax(logits_BC: npt.NDArray[Any]) -> Floats:
    power_BC = np.exp(logits_BC - logits_BC.max(axis=1, keepdims=True))
    return np.asarray(power_BC / power_BC.sum(axis=1, keepdims=True), np.float32)
