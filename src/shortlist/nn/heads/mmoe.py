"""Multi-gate mixture of experts: each target mixes the same experts by a gate of its own.

Ma, Zhao, Yi, Chen, Hong, Chi: Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts,
KDD 2018. As published, the trunk has no hidden layers of its own: `hidden = []` and
`tasks = {kind = "mmoe", experts = 8, hidden = [16]}`.

Legend: B rows, W width of the representation, E experts, X width of an expert, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from shortlist.core.settings import Settings
from shortlist.nn.heads.base import Head
from shortlist.nn.mlp import MLP, Width
from shortlist.schema import Target


class MMoESettings(Settings):
    """Targets mix common experts, each by its own gate."""

    kind: Literal["mmoe"] = "mmoe"
    experts: int = Field(4, ge=1)
    """Number of experts."""
    hidden: tuple[Width, ...] = Field((64,), min_length=1)
    """Widths of each expert's layers."""
    tower: tuple[Width, ...] = ()
    """Widths of each target's own layers after the mixture."""


class MMoE(Head):
    """A mixture for each target, and a tower on it."""

    def __init__(self, width: int, targets: Sequence[Target], settings: MMoESettings) -> None:
        super().__init__(targets)
        self.experts = nn.ModuleList(MLP(width, settings.hidden) for _ in range(settings.experts))
        self.gates = nn.ModuleList(nn.Linear(width, settings.experts, bias=False) for _ in targets)
        self.towers = nn.ModuleList(MLP(settings.hidden[-1], settings.tower, outputs) for outputs in self.outputs_T)

    def raw(self, x_BW: Tensor) -> Tensor:
        """outputs_BO."""
        known_BEX = torch.stack([expert(x_BW) for expert in self.experts], dim=1)
        mixtures = [mixed(gate(x_BW), known_BEX) for gate in self.gates]
        return torch.cat([tower(mix_BX) for tower, mix_BX in zip(self.towers, mixtures, strict=True)], dim=1)


def mixed(gate_BE: Tensor, known_BEX: Tensor) -> Tensor:
    """mix_BX of what the experts say, by the softmax of a gate."""
    mix_B1X: Tensor = gate_BE.softmax(dim=1)[:, None] @ known_BEX
    return mix_B1X.squeeze(1)
