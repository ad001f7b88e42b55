"""Log loss: binary cross entropy of each target, weighted by row."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from shortlist.nn.batch import Labels


def log_loss(logits_BT: Tensor, labels: Labels) -> Tensor:
    """Weighted mean over rows of the sum over targets; a scalar in nats, 0 where no row has weight."""
    # In float32, also of a model that computes its logits in a lower precision.
    loss_BT = functional.binary_cross_entropy_with_logits(logits_BT.float(), labels.targets_BT, reduction="none")
    return (loss_BT.sum(1) * labels.weight_B).sum() / labels.weight_B.sum().clamp(min=torch.finfo(loss_BT.dtype).tiny)
