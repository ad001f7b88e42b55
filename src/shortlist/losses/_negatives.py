"""What the losses over positives and their negatives share.

All of them take the score of each row's own item, `positive_P`, and the scores of what it is contrasted with,
`negative_PM`, where minus infinity stands for no negative: one that was drawn and turned out to be a positive. They
give a loss for each row, in float32 also of scores in a lower precision.

Legend: P rows, M negatives of each.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_over_negatives(loss_PM: Tensor, negative_PM: Tensor) -> Tensor:
    """mean_P over each row's negatives; 0 where it has none. What stands for no negative must have a loss of 0."""
    number_P = (negative_PM > -torch.inf).sum(1)
    return loss_PM.sum(1) / number_P.clamp(min=1)
