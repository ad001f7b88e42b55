"""Softmax: the cross entropy of a row's own item among its negatives.

Over the whole catalogue it is the likelihood of the item that was chosen. Over negatives that were drawn it estimates
that, if each negative's score is lowered by the log of how likely it was to be drawn (logQ): Bengio, Senécal: Adaptive
Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model, IEEE Transactions on Neural
Networks 19(4), 2008; Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys
2019. The row's own item was not drawn but is always there, and its score stays as it is: Khrylchenko et al.: Correcting
the LogQ Correction: Revisiting Sampled Softmax for Large-Scale Retrieval, RecSys 2025.

Legend: P rows, M negatives of each.
"""

from __future__ import annotations

import torch
from torch import Tensor


def softmax(positive_P: Tensor, negative_PM: Tensor) -> Tensor:
    """loss_P in nats: -log(share of the row's exponentials that is the positive's)."""
    positive_P, negative_PM = positive_P.float(), negative_PM.float()
    # Relative to the highest of a row, the positive among them: then it is no matter if there is no negative.
    highest_P = torch.maximum(negative_PM.detach().amax(1), positive_P.detach())
    total_P = (negative_PM - highest_P[:, None]).exp().sum(1) + (positive_P - highest_P).exp()
    return total_P.log() + highest_P - positive_P
