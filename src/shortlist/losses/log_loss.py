"""Log loss: binary cross entropy.

Good: Rational Decisions, Journal of the Royal Statistical Society B 14(1), 1952. Legend: B rows.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from shortlist.losses._rows import known_rows, weighted_mean


def log_loss(logit_B: Tensor, target_B: Tensor, weight_B: Tensor) -> Tensor:
    """Weighted mean over the rows that tell the target; a scalar in nats, 0 where none has weight.

    Targets are 0, 1 or a probability between, and not a number where a row does not tell.
    """
    target_B, weight_B = known_rows(target_B, weight_B)
    # In float32, also of a model that computes its logits in a lower precision.
    loss_B = functional.binary_cross_entropy_with_logits(logit_B.float(), target_B, reduction="none")
    return weighted_mean(loss_B, weight_B)
