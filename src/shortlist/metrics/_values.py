"""What the metrics of predicted values share: checked rows."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import FloatArray, LabelArray


def value_rows(
    value_N: LabelArray, target_N: LabelArray, weight_N: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Predicted and true values with their weights in float64; no weights means 1 each, rows of weight 0 are left out.

    Raises:
        ValueError: lengths that differ, no row with weight, a value or weight that is not finite, a weight that
            is negative.
    """
    value, target = np.asarray(value_N, dtype=np.float64), np.asarray(target_N, dtype=np.float64)
    weight = np.ones_like(value) if weight_N is None else np.asarray(weight_N, dtype=np.float64)
    if value.ndim != 1 or not value.shape == target.shape == weight.shape:
        raise ValueError(f"expected arrays of one length, found {value.shape}, {target.shape}, {weight.shape}")
    for name, array in (("predictions", value), ("targets", target), ("weights", weight)):
        if not np.isfinite(array).all():
            raise ValueError(f"{np.count_nonzero(~np.isfinite(array))} of {array.size} {name} are not finite")
    if (weight < 0).any():
        raise ValueError("weights must not be negative")
    kept = weight > 0
    if not kept.any():
        raise ValueError("there is no row with a weight above 0: nothing to measure")
    return value[kept], target[kept], weight[kept]
