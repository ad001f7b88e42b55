"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from shortlist.core.settings import Settings
from shortlist.nn.ranks import everywhere, world

Width = Annotated[int, Field(ge=1)]
"""Of a layer."""


class NetworkSettings(Settings):
    """Settings of models with hidden layers."""

    hidden: tuple[Width, ...] = (256, 128)
    """Widths of the hidden layers."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the units of each layer in `hidden` that a training step leaves out."""
    batch_norm: bool = False
    """Normalise each layer in `hidden` over the batch, before its ReLU."""

    @model_validator(mode="after")
    def _has_layers_for_it(self) -> Self:
        if not self.hidden and (self.dropout or self.batch_norm):
            given = f"dropout = {self.dropout:g}" if self.dropout else "batch_norm = true"
            raise ValueError(f"{given} is of the layers in hidden, and there are none: set hidden, or leave it out")
        return self


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation; a training batch of a single row, of which there is no deviation, by the running one.

    Where several processes train together it is over the rows of all of them.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[B, width] to [B, width]."""
        if self.training and world() > 1:
            return self._over_all(x)
        if not self.training or x.shape[0] > 1:
            return super().forward(x)
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)

    def _over_all(self, x: Tensor) -> Tensor:
        """By mean and deviation of every process's rows, of which there are two or more."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        # In half precision a count of a thousand rows is another number, and running averages are in float32.
        kind, x = x.dtype, x.float()
        sums = everywhere(torch.cat([x.sum(0), x.new_tensor([x.shape[0]])]))
        rows = sums[-1].detach()
        mean = sums[:-1] / rows
        variance = everywhere((x - mean).square().sum(0)) / rows
        with torch.no_grad():
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * rows / (rows - 1), self.momentum)
        return ((x - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias).to(kind)


class MLP(nn.Module):
    """Linear layers of the given widths, each with batch norm (on request), ReLU and dropout.

    `out` adds a last layer without any of them.
    """

    def __init__(
        self,
        width: int,
        hidden: Sequence[int],
        out: int | None = None,
        dropout: float = 0.0,
        *,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [
                nn.Linear(width, size),
                *([BatchNorm(size)] if batch_norm else []),
                nn.ReLU(),
                *([nn.Dropout(dropout)] if dropout else []),
            ]
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


def network(width: int, settings: NetworkSettings) -> MLP:
    """The hidden layers that a model's settings ask for."""
    return MLP(width, settings.hidden, dropout=settings.dropout, batch_norm=settings.batch_norm)
