"""Softmax over a list: the cross entropy of its positive among the rows that were drawn for it.

Bruch, Wang, Bendersky, Najork: An Analysis of the Softmax Cost Function for Learning to Rank, ICTIR 2019.

Legend: B rows, L lists.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shortlist.losses._lists import positives_of_lists, sum_in_lists
from shortlist.losses._rows import weighted_mean


def list_softmax(score_B: Tensor, target_B: Tensor, weight_B: Tensor, list_B: Tensor) -> Tensor:
    """Weighted mean over the positives of -log(share of the list's exponentials that is the positive's), in nats.

    Rows with a target above 0 are positives, at most one in a list; rows whose target is not a number are in none.
    `list_B` numbers the lists from 0 to B - 1. 0 where there is no positive.
    """
    score_B = score_B.float()
    unknown_B = target_B.isnan()
    positive_B, above_B = positives_of_lists(score_B, target_B, list_B)
    # Relative to the highest of the list, as a log of summed exponentials must be; it cancels out.
    known_B = score_B.detach().masked_fill(unknown_B, -torch.inf)
    highest_L = torch.full_like(known_B, -torch.inf).scatter_reduce(0, list_B.long(), known_B, "amax")
    highest_B = highest_L.index_select(0, list_B).masked_fill(unknown_B, 0.0)
    share_B = (score_B - highest_B).masked_fill(unknown_B, -torch.inf).exp()
    total_B = sum_in_lists(share_B, list_B).index_select(0, list_B).masked_fill(~positive_B, 1.0)
    loss_B = total_B.log() + highest_B - above_B
    return weighted_mean(loss_B, weight_B.float().masked_fill(~positive_B, 0.0))
