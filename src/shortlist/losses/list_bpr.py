"""Bayesian personalised ranking over lists: a positive should score above each of the rows drawn for it.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009. The
negatives are those that were drawn for the positive: the rows of its list.

Legend: B rows.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from shortlist.losses._lists import positives_of_lists, sum_in_lists
from shortlist.losses._rows import weighted_mean


def list_bpr(score_B: Tensor, target_B: Tensor, weight_B: Tensor, list_B: Tensor) -> Tensor:
    """Mean of -log sigmoid(positive - negative) over all pairs of a list, by the negatives' weights; a scalar in nats.

    Rows with a target above 0 are positives, at most one in a list, rows of 0 are negatives, others are neither.
    `list_B` numbers the lists from 0 to B - 1. A list without a positive has no pair; 0 where there is none at all.
    """
    score_B = score_B.float()
    positive_B, above_B = positives_of_lists(score_B, target_B, list_B)
    has_positive_B = sum_in_lists(positive_B.float(), list_B).index_select(0, list_B) > 0
    is_pair_B = has_positive_B & (target_B == 0)
    return weighted_mean(functional.softplus(score_B - above_B), weight_B.float().masked_fill(~is_pair_B, 0.0))
