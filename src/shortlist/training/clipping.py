"""Gradient clipping by the norm over all parameters, sparse gradients included."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from shortlist.training.touched import touched_rows


@torch.no_grad()
def clip_norm(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale all gradients, in place, so that their common norm is at most `limit`; returns the norm as it was.

    A sparse gradient counts with its duplicates summed, as its dense form would, and is left coalesced, so that the
    optimiser need not sum them again.
    """
    values = [_values(parameter) for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm(values)
    # Exactly 1 up to the limit: gradients within it keep their bits.
    share = limit / norm.clamp(min=limit)
    for value in values:
        value.mul_(share)
    return norm


def _values(parameter: nn.Parameter) -> Tensor:
    """The numbers of a parameter's gradient, which is coalesced if it is sparse."""
    gradient = parameter.grad
    assert gradient is not None
    if not gradient.is_sparse:
        return gradient
    rows_R, gradient_RD = touched_rows(gradient)
    parameter.grad = torch.sparse_coo_tensor(
        rows_R[None], gradient_RD, gradient.shape, is_coalesced=True, check_invariants=False
    )
    return gradient_RD
