"""Focal loss: log loss of which rows that are predicted well count little.

Lin, Goyal, Girshick, He, Dollar: Focal Loss for Dense Object Detection, ICCV 2017. With p the probability given to what
happened it is -(1 - p)^gamma log p. It is not a proper scoring rule: its probabilities lie too near to one half.

Legend: B rows.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from shortlist.losses._rows import known_rows, weighted_mean


def focal(logit_B: Tensor, target_B: Tensor, weight_B: Tensor, gamma: float = 2.0) -> Tensor:
    """Weighted mean over the rows that tell the target; a scalar in nats, 0 where none has weight.

    A target between 0 and 1 is the mixture of both. `gamma` 0 gives the log loss.
    """
    target_B, weight_B = known_rows(target_B, weight_B)
    log_p_B, log_rest_B = functional.logsigmoid(logit_B.float()), functional.logsigmoid(-logit_B.float())
    if_one_B, if_zero_B = (gamma * log_rest_B).exp() * log_p_B, (gamma * log_p_B).exp() * log_rest_B
    return weighted_mean(-(target_B * if_one_B + (1 - target_B) * if_zero_B), weight_B)
