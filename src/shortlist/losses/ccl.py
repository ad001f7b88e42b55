"""Cosine contrastive loss: the own item as near as can be, and negatives no nearer than a margin.

Mao, Zhu, Wang, Dai, Dong, Xiao, He: SimpleX: A Simple and Strong Baseline for Collaborative Filtering, CIKM 2021.
Negatives below the margin teach nothing, so that many can be drawn and the hard ones count.

Legend: P rows, M negatives of each.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from shortlist.losses._negatives import mean_over_negatives


def ccl(positive_P: Tensor, negative_PM: Tensor, margin: float, weight: float) -> Tensor:
    """loss_P of cosines: 1 - positive + `weight` times the mean of what negatives have above the margin."""
    above_PM = functional.relu(negative_PM.float() - margin)
    return 1 - positive_P.float() + weight * mean_over_negatives(above_PM, negative_PM)
