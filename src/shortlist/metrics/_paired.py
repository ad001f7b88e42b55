"""Whether one recommender is better than another on the same users.

Users differ from each other far more than recommenders do; the difference within a user leaves that out, so
two recommenders whose own intervals overlap may still differ clearly.
"""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import FloatArray
from shortlist.metrics._interval import Estimate, mean_interval


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
