"""Generalised binary cross entropy: each item by itself a probability, corrected for how few negatives were drawn.

Petrov, Macdonald: gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with Negative Sampling, RecSys
2023. Of a catalogue's many negatives a few are drawn, and so binary cross entropy takes positives to be far more
frequent than they are. Raising the positive's probability to the power beta makes up for it.

Legend: P rows, M negatives of each.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def gbce(positive_P: Tensor, negative_PM: Tensor, share: float = 1.0, t: float = 0.0) -> Tensor:
    """loss_P in nats: of the positive and the M negatives -(beta log p + sum of log(1 - p)) / (M + 1).

    `share` is the part of the catalogue's negatives that was drawn, uniformly. `t` goes from 0, binary cross entropy
    (beta is 1), to 1, where probabilities are calibrated (beta is `share`).
    """
    beta = t * share + (1 - t)
    of_negatives_P = functional.softplus(negative_PM.float()).sum(1)
    return (beta * functional.softplus(-positive_P.float()) + of_negatives_P) / (negative_PM.shape[1] + 1)
