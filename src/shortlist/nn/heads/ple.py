"""Progressive layered extraction: some experts serve all targets, others one alone, level by level.

Tang, Liu, Zhao, Gong: Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model for Personalized
Recommendations, RecSys 2020. One level of it is the paper's customized gate control (CGC).

Legend: B rows, W width of a representation, E experts a gate chooses from, X width of an expert, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from shortlist.core.settings import Settings
from shortlist.nn.heads.base import Head
from shortlist.nn.heads.mmoe import mixed
from shortlist.nn.mlp import MLP, Width
from shortlist.schema import Target


class PLESettings(Settings):
    """Targets share some experts and have others to themselves."""

    kind: Literal["ple"] = "ple"
    levels: int = Field(1, ge=1)
    """Levels of extraction."""
    shared: int = Field(2, ge=1)
    """Experts of a level that serve all targets."""
    own: int = Field(2, ge=1)
    """Experts of a level that each target has to itself."""
    hidden: tuple[Width, ...] = Field((64,), min_length=1)
    """Widths of each expert's layers."""
    tower: tuple[Width, ...] = ()
    """Widths of each target's own layers after the last level."""


class PLE(Head):
    """Levels of extraction, and a tower for each target on the last."""

    def __init__(self, width: int, targets: Sequence[Target], settings: PLESettings) -> None:
        super().__init__(targets)
        widths = [width, *[settings.hidden[-1]] * settings.levels]
        self.levels = nn.ModuleList(
            _Level(before, settings, len(targets), last=place == settings.levels)
            for place, (before, _) in enumerate(pairwise(widths), 1)
        )
        self.towers = nn.ModuleList(MLP(settings.hidden[-1], settings.tower, outputs) for outputs in self.outputs_T)

    def raw(self, x_BW: Tensor) -> Tensor:
        """outputs_BO."""
        parts = [x_BW] * (len(self.towers) + 1)
        for level in self.levels:
            parts = level(parts)
        return torch.cat([tower(part_BX) for tower, part_BX in zip(self.towers, parts, strict=False)], dim=1)


class _Level(nn.Module):
    """Representations of every target, and behind them the common one, to those of the next level."""

    def __init__(self, width: int, settings: PLESettings, targets: int, *, last: bool) -> None:
        super().__init__()
        groups = [settings.own] * targets + [settings.shared]
        self.experts = nn.ModuleList(
            nn.ModuleList(MLP(width, settings.hidden) for _ in range(count)) for count in groups
        )
        choices = [settings.own + settings.shared] * targets
        # The common gate, which chooses from all experts, feeds the next level alone.
        self.gates = nn.ModuleList(
            nn.Linear(width, count, bias=False) for count in (choices if last else [*choices, sum(groups)])
        )

    def forward(self, parts: list[Tensor]) -> list[Tensor]:
        """As many representations as there are gates."""
        known = [
            torch.stack([expert(part_BW) for expert in experts], dim=1)
            for experts, part_BW in zip(self._groups(), parts, strict=True)
        ]
        offered = [torch.cat([own_BEX, known[-1]], dim=1) for own_BEX in known[:-1]]
        offered.append(torch.cat(known, dim=1))
        return [
            mixed(gate(part_BW), choice_BEX)
            for gate, part_BW, choice_BEX in zip(self.gates, parts, offered, strict=False)
        ]

    def _groups(self) -> list[nn.ModuleList]:
        return [group for group in self.experts if isinstance(group, nn.ModuleList)]
