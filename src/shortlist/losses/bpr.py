"""Bayesian personalised ranking: a row's own item should score above each of its negatives.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009.

Legend: P rows, M negatives of each.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from shortlist.losses._negatives import mean_over_negatives


def bpr(positive_P: Tensor, negative_PM: Tensor) -> Tensor:
    """loss_P in nats: the mean of -log sigmoid(positive - negative)."""
    loss_PM = functional.softplus(negative_PM.float() - positive_P.float()[:, None])
    return mean_over_negatives(loss_PM, negative_PM)
