"""Entire space multi-task model: targets that follow one another, as a purchase follows a click.

Ma, Zhao, Huang, Wang, Hu, Zhu, Gai: Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click
Conversion Rate, SIGIR 2018. The network of each target learns its probability given the one before; what is fitted to
the rows is their product, so that every row, and not only the clicked ones, teaches the conversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.core.errors import UserError
from shortlist.core.settings import Settings
from shortlist.nn.heads.base import Head
from shortlist.nn.mlp import MLP, Width
from shortlist.schema import Target, TargetKind


class ESMMSettings(Settings):
    """Binary targets in the order in which they happen, each possible only after the one before."""

    kind: Literal["esmm"] = "esmm"
    tower: tuple[Width, ...] = (64,)
    """Widths of each target's own layers after the trunk."""


class ESMM(Head):
    """Logits of the products of conditional probabilities."""

    def __init__(self, width: int, targets: Sequence[Target], settings: ESMMSettings) -> None:
        super().__init__(targets)
        for target in targets:
            if target.kind != TargetKind.BINARY:
                raise UserError(
                    f"ranking.model.tasks: esmm multiplies probabilities, and the target {target.name} is "
                    f'{target.kind}. Make all targets binary, or set tasks = "mmoe".'
                )
        self.towers = nn.ModuleList(MLP(width, settings.tower, 1) for _ in targets)

    def raw(self, x_BW: Tensor) -> Tensor:
        """Logits of each target given the one before."""
        return torch.cat([tower(x_BW) for tower in self.towers], dim=1)

    def joined(self, outputs_BO: Tensor) -> Tensor:
        """The logit of the first is its own; that of a later one says log p - log(1 - p) of the product."""
        log_p_BO = functional.logsigmoid(outputs_BO).cumsum(dim=1)
        # 1 - exp(log p) loses all digits where p is near 0, and its log is -inf where p rounds to 1.
        log_rest_BO = torch.log(-torch.expm1(log_p_BO.clamp(max=-torch.finfo(log_p_BO.dtype).eps)))
        return torch.cat([outputs_BO[:, :1], (log_p_BO - log_rest_BO)[:, 1:]], dim=1)
