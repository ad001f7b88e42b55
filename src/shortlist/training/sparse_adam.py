"""Adam for tables: the moments of the batch's rows alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from shortlist.training.row_optimiser import Group, RowOptimiser, State


class SparseAdam(RowOptimiser):
    """torch.optim.SparseAdam, more than twice as fast, and for dense gradients too.

    State of a weight w: its moments m and v, and the steps t of the whole parameter:

        m <- m + (1 - beta1) · (g - m)
        v <- v + (1 - beta2) · (g² - v)
        w <- w - lr · sqrt(1 - beta2^t) / (1 - beta1^t) · m / (sqrt(v) + eps)

    The moments of a row decay only in steps that have it in their gradient. A dense gradient has every row, and the
    step is Adam's.

    Args:
        params: parameters, or groups of them.
        lr: above 0.
        betas: each at least 0 and below 1.
        eps: above 0.
        l2: at least 0; a penalty on the rows that a step touches.

    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    above_0 = ("lr", "eps")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        l2: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "l2": l2})

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, with its own hyperparameters where it names them."""
        betas = param_group.get("betas", self.defaults["betas"])
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"SparseAdam: betas must be at least 0 and below 1, found {betas}")
        super().add_param_group(param_group)

    def start(self, weight: Tensor, group: Group) -> State:
        """t, and m and v of the weights' shape."""
        # On the host wherever the weights are: it is read at every step.
        return {"step": torch.tensor(0.0), "m": torch.zeros_like(weight), "v": torch.zeros_like(weight)}

    def advance(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        """One step, in place."""
        beta1, beta2 = group["betas"]
        steps = state["step"].add_(1).item()
        m = state["m"].add_((gradient - state["m"]).mul_(1 - beta1))
        v = state["v"].add_((gradient.square() - state["v"]).mul_(1 - beta2))
        rate = group["lr"] * (1 - beta2**steps) ** 0.5 / (1 - beta1**steps)
        weight.sub_((m / v.sqrt().add_(group["eps"])).mul_(rate))
