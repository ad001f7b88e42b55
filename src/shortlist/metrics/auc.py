"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import FloatArray, LabelArray
from shortlist.metrics._binary import binary_rows, placements


def auc(score_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None = None) -> float:
    """Probability that a random positive row scores above a random negative one; a tie counts half.

    Computed from ranks (the Mann-Whitney statistic) in O(N log N). With weights, a row is drawn in
    proportion to its weight within its class.

    Args:
        score_N: any scores, higher is more positive: only their order matters, infinities included.
        label_N: 0 or 1.
        weight_N: not negative; None means 1 each.

    Returns:
        A value in [0, 1]; 0.5 for a constant score.

    Raises:
        ValueError: only one class is present (among rows with weight), a NaN score, or arrays that do not
            fit.

    Hanley, McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    Radiology 143(1), 1982; ties as in Bamber, Journal of Mathematical Psychology 12(4), 1975.
    """
    rows = binary_rows(score_N, label_N, weight_N)
    placement_N = placements(rows)
    return float(np.average(placement_N[rows.positive_N], weights=rows.weight_N[rows.positive_N]))
