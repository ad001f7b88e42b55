"""Confidence intervals: how far a measured value may be from what more users, or more rows, would show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from shortlist.metrics._arrays import FloatArray, LabelArray
from shortlist.metrics._binary import binary_rows, losses, placements, probability_rows
from shortlist.metrics._values import value_rows


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its confidence interval; `low` and `high` are NaN where one user is all there is."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """`{"value", "low", "high"}`, ready for JSON: NaN, which JSON does not know, is None."""
        parts = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if math.isnan(part) else part for name, part in parts.items()}


def mean_interval(
    value_U: FloatArray,
    weight_U: FloatArray | None = None,
    confidence: float = 0.95,
    cluster_U: npt.NDArray[np.integer] | None = None,
) -> Estimate:
    """The mean over users (or any independent units) with its interval by the normal approximation.

        mean ± z · s / sqrt(U)      s: sample standard deviation, z: normal quantile

    With weights it is the weighted mean with its linearised standard error, the same thing for equal
    weights. With one user the interval is NaN. From some thirty users on the approximation is good; below,
    intervals are a little narrow.

    Values of one cluster, such as the requests of one user, need not be independent: the standard error is the
    cluster-robust one, of the clusters' summed deviations from the mean, with C / (C - 1) for C clusters. With one
    cluster the interval is NaN.

    Args:
        value_U: finite values.
        weight_U: not negative; None means 1 each.
        confidence: in (0, 1).
        cluster_U: whose each value is; None where each is its own.

    Raises:
        ValueError: no value, a value that is not finite, weights that do not fit, or a confidence outside
            (0, 1).

    Särndal, Swensson, Wretman, "Model Assisted Survey Sampling", 1992, chapter 5, for the weighted mean; Liang, Zeger,
    "Longitudinal Data Analysis Using Generalized Linear Models", Biometrika 73(1), 1986, for clusters.
    """
    value = np.asarray(value_U, dtype=np.float64)
    weight = np.ones_like(value) if weight_U is None else np.asarray(weight_U, dtype=np.float64)
    if value.ndim != 1 or value.shape != weight.shape:
        raise ValueError(f"expected values and weights of one length, found {value.shape} and {weight.shape}")
    if not np.isfinite(value).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(value))} of {value.size} values are not finite")
    if not np.isfinite(weight).all() or (weight < 0).any() or not (weight > 0).any():
        raise ValueError("at least one value with a weight above 0 is needed, and weights finite and not negative")
    if cluster_U is not None and cluster_U.shape != value.shape:
        raise ValueError(f"expected values and clusters of one length, found {value.shape} and {cluster_U.shape}")
    mean, error = _mean_and_error(value, weight, cluster_U)
    return _around(mean, error, confidence)


def log_loss_interval(
    probability_N: FloatArray,
    label_N: LabelArray,
    weight_N: FloatArray | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """`log_loss` with its interval, rows taken as independent: where users have many rows, it is too narrow.

    Raises:
        ValueError: as `log_loss`, or a confidence outside (0, 1).
    """
    rows = probability_rows(probability_N, label_N, weight_N)
    return mean_interval(losses(rows), rows.weight_N, confidence)


def auc_interval(
    score_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None = None, confidence: float = 0.95
) -> Estimate:
    """`auc` with its interval from DeLong's variance, cut to [0, 1]; O(N log N).

    The variance is that of the mean placement of the positives plus that of the negatives, where a row's
    placement is the share of the other class ranked on the right side of it; placements come from ranks
    (Sun and Xu). Rows are taken as independent: where users have many rows, the interval is too narrow. With
    a single row of a class it is NaN; of a perfect ranking it has no width. Weights enter as in the mean.

    Raises:
        ValueError: as `auc`, or a confidence outside (0, 1).

    DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 44(3), 1988; Sun, Xu, "Fast implementation of DeLong's algorithm",
    IEEE Signal Processing Letters 21(11), 2014.
    """
    rows = binary_rows(score_N, label_N, weight_N)
    placement_N = placements(rows)
    positive_N = rows.positive_N
    value, error_positive = _mean_and_error(placement_N[positive_N], rows.weight_N[positive_N])
    _, error_negative = _mean_and_error(placement_N[~positive_N], rows.weight_N[~positive_N])
    around = _around(value, math.sqrt(error_positive**2 + error_negative**2), confidence)
    # numpy's clip, because Python's min and max lose NaN.
    return Estimate(value, float(np.clip(around.low, 0.0, 1.0)), float(np.clip(around.high, 0.0, 1.0)))


def rmse_interval(
    value_N: FloatArray, target_N: FloatArray, weight_N: FloatArray | None = None, confidence: float = 0.95
) -> Estimate:
    """`rmse` with its interval: the roots of the ends of that of the mean squared error, rows taken as independent.

    Raises:
        ValueError: as `rmse`, or a confidence outside (0, 1).
    """
    value, target, weight = value_rows(value_N, target_N, weight_N)
    squared = mean_interval(np.square(value - target), weight, confidence)
    low = squared.low if math.isnan(squared.low) else math.sqrt(max(squared.low, 0.0))
    return Estimate(math.sqrt(squared.value), low, math.sqrt(squared.high))


def _mean_and_error(
    value_U: FloatArray, weight_U: FloatArray, cluster_U: npt.NDArray[np.integer] | None = None
) -> tuple[float, float]:
    """Weighted mean and its standard error; the error of a single value, or cluster, is unknown: NaN."""
    total = weight_U.sum()
    mean = float((weight_U * value_U).sum() / total)
    deviation_U = weight_U * (value_U - mean)
    number = np.count_nonzero(weight_U)
    if cluster_U is not None:
        found_C, place_U = np.unique(cluster_U, return_inverse=True)
        deviation_U = np.bincount(place_U, deviation_U, len(found_C))
        number = np.count_nonzero(np.bincount(place_U, weight_U))
    count = int(number)
    if count == 1:
        return mean, math.nan
    squares = float(np.square(deviation_U).sum())
    return mean, math.sqrt(squares * count / (count - 1)) / float(total)


def _around(value: float, error: float, confidence: float) -> Estimate:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, found {confidence}")
    half = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Estimate(value, value - half, value + half)
