"""What the losses of single rows share: the rows that tell a target, and the mean over them.

Legend: B rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shortlist.nn.ranks import total


def known_rows(target_B: Tensor, weight_B: Tensor) -> tuple[Tensor, Tensor]:
    """Targets and weights in float32, both 0 where a row does not tell its target (it is not a number)."""
    unknown_B = target_B.isnan()
    return target_B.float().masked_fill(unknown_B, 0.0), weight_B.float().masked_fill(unknown_B, 0.0)


def weighted_mean(loss_B: Tensor, weight_B: Tensor) -> Tensor:
    """A scalar, over the rows of all ranks where several train together; 0 where no row has weight."""
    loss, weight = total((loss_B * weight_B).sum(), weight_B.sum())
    return loss / weight.clamp(min=torch.finfo(weight_B.dtype).tiny)
