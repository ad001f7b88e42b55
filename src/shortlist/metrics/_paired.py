"""Whether one recommender is better than another on the same users, or one ranker on the same rows.

Users differ from each other far more than recommenders do; the difference within a user leaves that out, so
two recommenders whose own intervals overlap may still differ clearly. So it is with rows.
"""

from __future__ import annotations

import math

import numpy as np

from shortlist.metrics._arrays import FloatArray, LabelArray
from shortlist.metrics._binary import binary_rows, losses, placements, probability_rows
from shortlist.metrics._interval import Estimate, mean_interval
from shortlist.metrics._values import value_rows
from shortlist.metrics.r2 import r2


def paired_difference(a_U: FloatArray, b_U: FloatArray, confidence: float = 0.95) -> Estimate:
    """Mean of a - b over the same users with its interval by the normal approximation.

    An interval that does not hold 0 says that the two differ at that confidence. For many users this is the
    interval of the paired t test.

    Args:
        a_U: a metric by user under the first recommender.
        b_U: the same metric, the same users in the same order, under the second.
        confidence: in (0, 1).

    Raises:
        ValueError: lengths that differ, no user, a value that is not finite, or a confidence outside (0, 1).
    """
    return mean_interval(_difference(a_U, b_U), confidence=confidence)


def paired_auc(
    a_N: FloatArray, b_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None = None, confidence: float = 0.95
) -> Estimate:
    """`auc` of the scores a less that of b on the same rows, with its interval from DeLong's covariance.

    As `auc_interval`, of the differences of the rows' placements. Rows are taken as independent.

    Raises:
        ValueError: as `auc`, or a confidence outside (0, 1).

    DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 44(3), 1988.
    """
    rows = binary_rows(a_N, label_N, weight_N)
    difference_N = placements(rows) - placements(binary_rows(b_N, label_N, weight_N))
    positive, negative = (
        mean_interval(difference_N[of], rows.weight_N[of], confidence) for of in (rows.positive_N, ~rows.positive_N)
    )
    half = math.hypot(positive.high - positive.value, negative.high - negative.value)
    return Estimate(positive.value, positive.value - half, positive.value + half)


def paired_r2(
    a_N: FloatArray, b_N: FloatArray, target_N: FloatArray, weight_N: FloatArray | None = None, confidence: float = 0.95
) -> Estimate:
    """`r2` of the predictions a less that of b on the same rows, with its interval: a linearised ratio of two means.

    Raises:
        ValueError: as `r2`, or a confidence outside (0, 1).

    Särndal, Swensson, Wretman, "Model Assisted Survey Sampling", 1992, chapter 5.
    """
    value = r2(a_N, target_N, weight_N) - r2(b_N, target_N, weight_N)
    a, target, weight = value_rows(a_N, target_N, weight_N)
    b, _, _ = value_rows(b_N, target_N, weight_N)
    spread_N = np.square(target - np.average(target, weights=weight))
    rest_N = np.square(target - b) - np.square(target - a) - value * spread_N
    rest, spread = mean_interval(rest_N, weight, confidence), np.average(spread_N, weights=weight)
    return Estimate(value, value + float(rest.low / spread), value + float(rest.high / spread))


def paired_log_loss(
    a_N: FloatArray, b_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None = None, confidence: float = 0.95
) -> Estimate:
    """`log_loss` of the probabilities a less that of b on the same rows, with its interval. Rows are independent.

    Raises:
        ValueError: as `log_loss`, or a confidence outside (0, 1).
    """
    a, b = probability_rows(a_N, label_N, weight_N), probability_rows(b_N, label_N, weight_N)
    return mean_interval(losses(a) - losses(b), a.weight_N, confidence)


def paired_accuracy(
    a_N: LabelArray, b_N: LabelArray, label_N: LabelArray, weight_N: FloatArray | None = None, confidence: float = 0.95
) -> Estimate:
    """`accuracy` of the predictions a less that of b on the same rows, with its interval.

    Raises:
        ValueError: as `accuracy`, or a confidence outside (0, 1).
    """
    a, label, weight = value_rows(a_N, label_N, weight_N)
    b, _, _ = value_rows(b_N, label_N, weight_N)
    return mean_interval((a == label) * 1.0 - (b == label), weight, confidence)


def paired_bootstrap(
    a_U: FloatArray, b_U: FloatArray, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Mean of a - b over the same users with its percentile interval over resampled users.

    For few users with lopsided differences, where the normal approximation is doubtful; for thousands of
    users it gives what `paired_difference` gives, at `resamples` times the cost. Same seed, same interval.

    Raises:
        ValueError: as `paired_difference`, or fewer than 1 resample.

    Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. That the paired tests agree on
    rankings: Smucker, Allan, Carterette, "A comparison of statistical significance tests for information
    retrieval evaluation", CIKM 2007.
    """
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, found {resamples}")
    normal = paired_difference(a_U, b_U, confidence)
    difference_U = _difference(a_U, b_U)
    users = difference_U.size
    if users == 1:
        return normal
    random = np.random.default_rng(seed)
    means = [difference_U[random.integers(users, size=users)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Estimate(normal.value, float(low), float(high))


def _difference(a_U: FloatArray, b_U: FloatArray) -> FloatArray:
    a, b = np.asarray(a_U, dtype=np.float64), np.asarray(b_U, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"a paired comparison needs the same users on both sides, found {a.shape} and {b.shape}")
    return a - b
