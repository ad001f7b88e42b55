"""Accuracy."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import FloatArray, LabelArray
from shortlist.metrics._values import value_rows


def accuracy(class_N: LabelArray, label_N: LabelArray, weight_N: FloatArray | None = None) -> float:
    """Share of rows, by weight, whose class is the one predicted.

    Args:
        class_N: number of the predicted class.
        label_N: number of the true class.
        weight_N: not negative; None means 1 each.

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: no rows, a value that is not finite, or arrays that do not fit.
    """
    predicted, label, weight = value_rows(class_N, label_N, weight_N)
    return float(np.average(predicted == label, weights=weight))
