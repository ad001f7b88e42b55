"""Softmax over the items of the batch, corrected for how often each item turns up as a negative.

Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys 2019. In a batch drawn
from the log an item is a negative as often as it is popular; subtracting the log of its probability of being drawn
(logQ) makes the loss an estimate of the softmax over the whole catalogue.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def in_batch_softmax(
    query_BD: Tensor,
    candidate_BD: Tensor,
    item_B: Tensor,
    log_q_B: Tensor,
    temperature: float,
    *,
    weight_B: Tensor | None = None,
    user_B: Tensor | None = None,
) -> Tensor:
    """Mean cross entropy over the rows, by weight if they have one; a scalar in nats, 0 where no row has weight.

    `item_B` are the rows of the items: the same item at another place of the batch is no negative (an accidental hit)
    and is masked; so is what else the same user chose, where `user_B` tells whose rows they are. `log_q_B` is the log
    of each item's share of the training events.
    """
    # In float32, also of a model that computes its vectors in a lower precision.
    with torch.autocast(query_BD.device.type, enabled=False):
        logits_BB = query_BD.float() @ candidate_BD.float().T / temperature - log_q_B
    same_BB = item_B[:, None] == item_B
    if user_B is not None:
        same_BB |= user_B[:, None] == user_B
    same_BB.fill_diagonal_(False)
    logits_BB = logits_BB.masked_fill(same_BB, -torch.inf)
    loss_B = functional.cross_entropy(logits_BB, torch.arange(len(item_B), device=item_B.device), reduction="none")
    if weight_B is None:
        return loss_B.mean()
    return (loss_B * weight_B).sum() / weight_B.sum().clamp(min=torch.finfo(loss_B.dtype).tiny)
