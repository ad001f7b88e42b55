"""Mean squared error.

Gauss: Theoria combinationis observationum erroribus minimis obnoxiae, 1823. Legend: B rows.
"""

from __future__ import annotations

from torch import Tensor

from shortlist.losses._rows import known_rows, weighted_mean


def squared_error(value_B: Tensor, target_B: Tensor, weight_B: Tensor) -> Tensor:
    """Weighted mean over the rows that tell the target (elsewhere it is not a number); 0 where none has weight."""
    target_B, weight_B = known_rows(target_B, weight_B)
    return weighted_mean((value_B.float() - target_B).square(), weight_B)
