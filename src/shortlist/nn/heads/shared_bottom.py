"""Shared bottom: all targets share the trunk, and part only after it.

Caruana: Multitask Learning, Machine Learning 28, 1997.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from shortlist.core.settings import Settings
from shortlist.nn.heads.base import Head
from shortlist.nn.mlp import MLP, Width
from shortlist.schema import Target


class SharedBottomSettings(Settings):
    """Targets share the whole trunk."""

    kind: Literal["shared_bottom"] = "shared_bottom"
    tower: tuple[Width, ...] = ()
    """Widths of each target's own layers after the trunk."""


class SharedBottom(Head):
    """A tower for each target on one representation; without layers of their own one linear layer for all."""

    def __init__(self, width: int, targets: Sequence[Target], settings: SharedBottomSettings) -> None:
        super().__init__(targets)
        towers = [MLP(width, settings.tower, outputs) for outputs in self.outputs_T] if settings.tower else []
        self.towers = nn.ModuleList(towers or [nn.Linear(width, sum(self.outputs_T))])

    def raw(self, x_BW: Tensor) -> Tensor:
        """outputs_BO."""
        parts = [tower(x_BW) for tower in self.towers]
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
