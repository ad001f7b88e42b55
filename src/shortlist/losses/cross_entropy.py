"""Cross entropy of the softmax over classes.

Bridle: Training Stochastic Model Recognition Algorithms as Networks can Lead to Maximum Mutual Information Estimation
of Parameters, NeurIPS 1989. Legend: B rows, C classes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from shortlist.losses._rows import known_rows, weighted_mean


def cross_entropy(logits_BC: Tensor, target_B: Tensor, weight_B: Tensor) -> Tensor:
    """Weighted mean over the rows that tell their class; a scalar in nats, 0 where none has weight.

    `target_B` holds the number of each row's class as a float, and is not a number where a row does not tell.
    """
    target_B, weight_B = known_rows(target_B, weight_B)
    loss_B = functional.cross_entropy(logits_BC.float(), target_B.long(), reduction="none")
    return weighted_mean(loss_B, weight_B)
