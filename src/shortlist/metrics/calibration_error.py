"""Expected calibration error."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import FloatArray, LabelArray
from shortlist.metrics._binary import probability_rows, ranks, weight_below


def calibration_error(
    probability_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None = None, bins: int = 15
) -> float:
    """Mean distance between predicted and observed rate over bins of equal mass, weighted by the bins' mass.

    Bins hold equal weight rather than equal widths of probability: click rates crowd near 0, where equal
    widths would put all rows in one bin. Rows of equal probability always share a bin, so the order of the
    rows does not matter; where they are many, bins are uneven. It is biased upwards when bins hold few
    rows: compare equal sizes.

    Args:
        probability_N: probability of label 1, in [0, 1].
        label_N: 0 or 1, or a rate between them.
        weight_N: not negative; None means 1 each.
        bins: number of bins, at least 1.

    Returns:
        A value in [0, 1]; 0 when every bin's mean prediction equals its observed rate.

    Raises:
        ValueError: bins below 1, a value outside [0, 1] (logits?), a NaN, no rows, or arrays that do not fit.

    Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015;
    equal mass: Nguyen, O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", EMNLP 2015.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, found {bins}")
    rows = probability_rows(probability_N, label_N, weight_N)
    total = rows.weight_N.sum()
    # A row's own weight counts half, so the quantile stays below 1 and the bin below `bins`.
    quantile_N = weight_below(ranks(rows.value_N), rows.weight_N) / total
    bin_N = (quantile_N * bins).astype(np.int64)
    gap_B = np.bincount(bin_N, weights=rows.weight_N * (rows.value_N - rows.label_N))
    return float(np.abs(gap_B).sum() / total)
