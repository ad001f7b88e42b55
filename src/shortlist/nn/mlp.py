"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers of the given widths with ReLU and dropout between them; `out` adds a last layer without either."""

    def __init__(self, width: int, hidden: Sequence[int], out: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
            width = size
        if out is not None:
            layers.append(nn.Linear(width, out))
            width = out
        self.layers = nn.Sequential(*layers)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """[B, width in] to [B, width out]."""
        y: Tensor = self.layers(x)
        return y
