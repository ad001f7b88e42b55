"""What the metrics of binary predictions share: checked rows, placements for AUC, loss by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.metrics._arrays import BoolArray, FloatArray, IntArray, LabelArray

# A sigmoid in float32 reaches exactly 0 and 1: clipped, one confident mistake is not an infinite loss.
_EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Rows:
    """Predictions with their labels, in float64; rows of weight 0 are left out."""

    value_N: FloatArray
    label_N: FloatArray
    """From 0 to 1; for `binary_rows` one of the two."""
    weight_N: FloatArray

    @property
    def positive_N(self) -> BoolArray:
        """Rows of label 1, where there is nothing between."""
        return self.label_N > 0


def binary_rows(value_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None) -> Rows:
    """Check and gather the rows; no weights means weight 1 each.

    Raises:
        ValueError: lengths that differ, no row with weight, a label other than 0 and 1, a prediction that
            is not a number, a weight that is negative or not finite.
    """
    rows = _rows(value_N, label_N, weight_N)
    between_N = (rows.label_N > 0) & (rows.label_N < 1)
    if between_N.any():
        raise ValueError(f"labels must be 0 or 1, found {rows.label_N[between_N][0]:g}")
    return rows


def probability_rows(probability_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None) -> Rows:
    """As `binary_rows`, for predictions that must lie in [0, 1]; a label may be a rate, anything from 0 to 1."""
    rows = _rows(probability_N, label_N, weight_N)
    lowest, highest = rows.value_N.min(), rows.value_N.max()
    if lowest < 0 or highest > 1:
        raise ValueError(f"probabilities must lie in [0, 1], found {lowest:g} to {highest:g}; are these logits?")
    return rows


def _rows(value_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None) -> Rows:
    value = np.asarray(value_N, dtype=np.float64)
    label = np.asarray(label_N, dtype=np.float64)
    weight = np.ones_like(value) if weight_N is None else np.asarray(weight_N, dtype=np.float64)
    if value.ndim != 1 or not value.shape == label.shape == weight.shape:
        raise ValueError(f"expected arrays of one length, found {value.shape}, {label.shape}, {weight.shape}")
    if np.isnan(value).any():
        raise ValueError(f"{np.count_nonzero(np.isnan(value))} of {value.size} predictions are NaN")
    outside = ~((label >= 0) & (label <= 1))
    if outside.any():
        raise ValueError(f"labels must be 0 or 1, found {label[outside][0]:g}")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("weights must be finite and not negative")
    kept = weight > 0
    if not kept.any():
        raise ValueError("there is no row with a weight above 0: nothing to measure")
    return Rows(value[kept], label[kept], weight[kept])


def ranks(value_N: FloatArray) -> IntArray:
    """Rank of each row's value, from 0, lowest first; equal values have one rank, and no rank is left out."""
    _, rank_N = np.unique(value_N, return_inverse=True)
    return rank_N


def weight_below(rank_N: IntArray, weight_N: FloatArray) -> FloatArray:
    """For each row, the weight of lower ranks plus half the weight of its own rank, the row included."""
    weight_G = np.bincount(rank_N, weights=weight_N)
    below_G: FloatArray = np.cumsum(weight_G) - weight_G / 2
    return below_G[rank_N]


def placements(rows: Rows) -> FloatArray:
    """For each row, the share of the other class that it is ranked on the right side of; a tie counts half.

    The mean over either class is the AUC (DeLong, DeLong, Clarke-Pearson, Biometrics 44(3), 1988).

    Raises:
        ValueError: only one class is present.
    """
    positive_N = rows.positive_N
    positive, negative = rows.weight_N[positive_N].sum(), rows.weight_N[~positive_N].sum()
    if positive == 0 or negative == 0:
        only = "negative" if positive == 0 else "positive"
        raise ValueError(f"AUC needs both classes; all {positive_N.size} rows are {only}")
    rank_N = ranks(rows.value_N)
    negative_below_N = weight_below(rank_N, np.where(positive_N, 0.0, rows.weight_N))
    positive_below_N = weight_below(rank_N, np.where(positive_N, rows.weight_N, 0.0))
    placement_N: FloatArray = np.where(positive_N, negative_below_N / negative, 1.0 - positive_below_N / positive)
    return placement_N


def losses(rows: Rows) -> FloatArray:
    """Cross-entropy of each row in nats, probabilities clipped at float32's epsilon."""
    yes_N = np.log(np.clip(rows.value_N, _EPSILON, 1.0 - _EPSILON))
    no_N = np.log(np.clip(1.0 - rows.value_N, _EPSILON, 1.0 - _EPSILON))
    loss_N: FloatArray = -(rows.label_N * yes_N + (1.0 - rows.label_N) * no_N)
    return loss_N
