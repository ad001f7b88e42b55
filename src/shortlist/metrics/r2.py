"""Coefficient of determination."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import FloatArray
from shortlist.metrics._values import value_rows


def r2(value_N: FloatArray, target_N: FloatArray, weight_N: FloatArray | None = None) -> float:
    """Share of the targets' variance that is explained: 1 - squared error / squared distance from their mean.

    Args:
        value_N: predictions.
        target_N: what happened.
        weight_N: not negative; None means 1 each.

    Returns:
        At most 1; 0 for the mean of these targets everywhere, negative for anything worse.

    Raises:
        ValueError: targets that are all the same, no rows, a value that is not finite, or arrays that do not
            fit.

    Wright, "Correlation and causation", Journal of Agricultural Research 20(7), 1921.
    """
    value, target, weight = value_rows(value_N, target_N, weight_N)
    if (target == target[0]).all():
        raise ValueError(f"r2 needs targets that differ; all {target.size} are {target[0]:g}")
    mean = np.average(target, weights=weight)
    error, spread = (weight * (target - value) ** 2).sum(), (weight * (target - mean) ** 2).sum()
    return float(1.0 - error / spread)
