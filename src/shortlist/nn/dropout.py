"""Dropout that draws a quarter as many random numbers on a CPU, where that takes longer than what it is for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = 2**16
_FIRST = -(2**15)
_LEAST = -(2**63)


class Dropout(nn.Module):
    """Zeros with probability `share`, to one part in 65,536, and the rest scaled up: Srivastava et al., JMLR 15, 2014.

    On a CPU each random number of 64 bits decides of four values. They come from torch's own random state.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """As `torch.nn.Dropout`, which it is on other devices."""
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.share)
        dropped = round(self.share * _LEVELS)
        drawn = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(_LEAST, None)
        level = drawn.view(torch.int16)[: x.numel()].view(x.shape)
        kept = (level >= _FIRST + dropped).to(x.dtype).mul_(_LEVELS / (_LEVELS - dropped))
        return x * kept

    def extra_repr(self) -> str:
        """As torch shows it."""
        return f"share={self.share}"
