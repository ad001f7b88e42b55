"""Causal self-attention over the events of histories: each place sees itself and what came before it.

Events are aligned to the left, valid ones first, so that causality alone keeps padding out of every valid place.

Legend: U histories, L their length, D embedding dim, H heads, A dim of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.nn.dropout import Dropout


class CausalBlock(nn.Module):
    """Self-attention and a layer for each place by itself, each after a layer norm and beside a way around it.

    Vaswani et al.: Attention Is All You Need, NeurIPS 2017; with the norm before each part, Xiong et al.: On Layer
    Normalization in the Transformer Architecture, ICML 2020. Dropout is of what each part adds, and not of attention's
    weights: fused attention on a CPU keeps none of them.
    """

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.attended = nn.Linear(dim, dim)
        self.before_layers = nn.LayerNorm(dim)
        first, last = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.layers = nn.Sequential(first, nn.ReLU(), Dropout(dropout), last, Dropout(dropout))
        self.dropout = Dropout(dropout)
        for layer in (self.query_key_value, self.attended, first, last):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x_ULD: Tensor, rotation_LA: Tensor | None = None) -> Tensor:
        """y_ULD; `rotation_LA` turns queries and keys by their place, where `rotations` gave it."""
        x_ULD = x_ULD + self.dropout(self._attention(self.before_attention(x_ULD), rotation_LA))
        y_ULD: Tensor = x_ULD + self.layers(self.before_layers(x_ULD))
        return y_ULD

    def _attention(self, x_ULD: Tensor, rotation_LA: Tensor | None) -> Tensor:
        parts = self.query_key_value(x_ULD).chunk(3, dim=2)
        query_UHLA, key_UHLA, value_UHLA = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        if rotation_LA is not None:
            query_UHLA, key_UHLA = rotated(query_UHLA, rotation_LA), rotated(key_UHLA, rotation_LA)
        mixed_UHLA = functional.scaled_dot_product_attention(query_UHLA, key_UHLA, value_UHLA, is_causal=True)
        mixed_ULD: Tensor = self.attended(mixed_UHLA.transpose(1, 2).flatten(2))
        return mixed_ULD


def rotations(length: int, dim: int, device: torch.device) -> Tensor:
    """angle_LA: by how much each pair of a head's dimensions is turned at each place; the pairs' two halves alike.

    Su et al.: RoFormer: Enhanced Transformer with Rotary Position Embedding, Neurocomputing 568, 2024. The product of
    a query and a key then depends on how far apart they are, and not on where.
    """
    frequency = 10_000.0 ** -(torch.arange(0, dim, 2, device=device) / dim)
    angle = torch.arange(length, device=device)[:, None] * frequency
    return torch.cat([angle, angle], dim=1)


def rotated(x_UHLA: Tensor, angle_LA: Tensor) -> Tensor:
    """The vectors with dimension i and i + A / 2 turned against each other by the angle of their place."""
    first, second = x_UHLA.chunk(2, 3)
    return x_UHLA * angle_LA.cos() + torch.cat([-second, first], dim=3) * angle_LA.sin()
