"""Lists inside a batch: a positive and the negatives that were drawn for it, known by a number that they share.

Legend: B rows, L lists, of which there are at most as many as rows.
"""

from __future__ import annotations

import torch
from torch import Tensor


def positives_of_lists(score_B: Tensor, target_B: Tensor, list_B: Tensor) -> tuple[Tensor, Tensor]:
    """For each row whether it is the positive of its list (above 0), and the score of its list's positive or 0.

    A list has at most one positive: it was drawn for it.
    """
    positive_B = target_B > 0
    score_L = sum_in_lists(score_B.masked_fill(~positive_B, 0.0), list_B)
    return positive_B, score_L.index_select(0, list_B)


def sum_in_lists(value_B: Tensor, list_B: Tensor) -> Tensor:
    """sum_L of the rows of each list; numbers of lists lie from 0 to B - 1."""
    return torch.zeros_like(value_B).index_add(0, list_B, value_B)
