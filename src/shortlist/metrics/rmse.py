"""Root mean squared error."""

from __future__ import annotations

from shortlist.metrics._arrays import FloatArray
from shortlist.metrics._interval import rmse_interval


def rmse(value_N: FloatArray, target_N: FloatArray, weight_N: FloatArray | None = None) -> float:
    """The root of the weighted mean of (value - target)^2, in the target's own unit.

    Args:
        value_N: what was predicted.
        target_N: what happened.
        weight_N: not negative; None means 1 each.

    Returns:
        At least 0; 0 when every value is right.

    Raises:
        ValueError: no row with a weight, a value that is not finite, or arrays that do not fit.
    """
    return rmse_interval(value_N, target_N, weight_N).value
