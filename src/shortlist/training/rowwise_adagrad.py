"""Row-wise Adagrad: one rate for each row of a table."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from shortlist.training.row_optimiser import Group, RowOptimiser, State

EPS = 1e-8


class RowWiseAdagrad(RowOptimiser):
    """Adagrad with one number a row instead of one a weight: 1 / D of its memory for a table of dim D.

    State of a row w: s, the sum of its mean squared gradients:

        s <- s + mean(g²)
        w <- w - lr · g / (sqrt(s) + eps)

    The row of a vector is one number, for which this is Adagrad. A row without gradient stays as it is.

    Args:
        params: parameters, or groups of them.
        lr: above 0. The root mean square of a row's first step.
        eps: above 0.
        l2: at least 0; a penalty on the rows that a step touches.

    Mudigere et al., "Software-hardware co-design for fast and scalable training of deep learning recommendation
    models", ISCA 2022.
    """

    above_0 = ("lr", "eps")

    def __init__(self, params: ParamsT, lr: float, eps: float = EPS, l2: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "eps": eps, "l2": l2})

    def start(self, weight: Tensor, group: Group) -> State:
        """s: a zero a row."""
        return {"sum": torch.zeros(weight.shape[0], dtype=weight.dtype, device=weight.device)}

    def advance(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        """One step, in place."""
        shape_RD = (weight.shape[0], math.prod(weight.shape[1:]))
        gradient_RD = gradient.reshape(shape_RD)
        sum_R = state["sum"].add_(gradient_RD.square().mean(1))
        rate_R = sum_R.sqrt().add_(group["eps"]).reciprocal_().mul_(group["lr"])
        weight.view(shape_RD).sub_(gradient_RD * rate_R[:, None])
