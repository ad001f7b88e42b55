"""Log loss (binary cross-entropy)."""

from __future__ import annotations

import numpy as np

from shortlist.metrics._arrays import FloatArray, LabelArray
from shortlist.metrics._binary import losses, probability_rows


def log_loss(probability_N: FloatArray, label_N: LabelArray, weight_N: FloatArray | None = None) -> float:
    """Weighted mean of -log(probability given to what happened), in nats; of a rate y the cross-entropy.

        -y log p - (1 - y) log(1 - p)

    Probabilities are clipped to [e, 1 - e] with e = float32's epsilon (1.19e-7), so one row costs 15.9 at
    the most. One class alone is fine.

    Args:
        probability_N: probability of label 1, in [0, 1].
        label_N: 0 or 1, or a rate between them.
        weight_N: not negative; None means 1 each.

    Returns:
        A value of at least 0; predicting the base rate p everywhere gives the entropy of p.

    Raises:
        ValueError: a value outside [0, 1] (logits?), a NaN, no rows, or arrays that do not fit.

    Good, "Rational decisions", Journal of the Royal Statistical Society B 14(1), 1952.
    """
    rows = probability_rows(probability_N, label_N, weight_N)
    return float(np.average(losses(rows), weights=rows.weight_N))
