"""FTRL-proximal, the optimiser of Wide & Deep's wide part."""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

Rows = tuple[Tensor, ...] | EllipsisType


class FTRL(Optimizer):
    """Follow the (proximally) regularised leader: a rate for each coordinate, weights that are exactly zero.

    State of a weight w: n, the sum of its squared gradients, and z, from which w follows in closed form:

        s  = (sqrt(n + g²) - sqrt(n)) / alpha
        z <- z + g - s · w
        n <- n + g²
        w <- 0 if |z| <= l1 else -(z - sign(z) · l1) / ((beta + sqrt(n)) / alpha + l2)

    **Initial weights.** At z = 0, n = 0 the closed form is w = 0: Algorithm 1 starts every weight there,
    and would all but forget another start at the first step. The s · w that z gathers are proximal terms,
    each holding the leader near an earlier weight, and beta / alpha is such a term around 0. Here it stands
    around the initial weight: z starts at -(beta / alpha) · w. Without l1 and l2 the first step is then w -
    alpha · g / (beta + |g|); with them the weight is shrunk when first updated, as any other. For weights
    that start at zero this is Algorithm 1 as printed.

    **Zero gradients** leave a coordinate as it is, as in the paper, where only the features of an example
    are updated. A sparse (COO) gradient therefore gives what its dense form gives, bit for bit, but reads
    and writes only its rows.

    Args:
        params: parameters, or groups of them.
        lr: alpha, above 0: the scale of the per-coordinate rates alpha / (beta + sqrt(n)). They fall by
            themselves; a schedule is refused, because z adds up terms in 1 / alpha.
        beta: above 0; keeps the first steps small. The paper finds 1 good enough in most cases.
        l1: at least 0; weights whose |z| stays within it are exactly zero.
        l2: at least 0; adds l2 / 2 · w² to the objective.

    Raises:
        ValueError: a hyperparameter outside its range, or an lr that changed after the first step.

    McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013, Algorithm 1.
    """

    def __init__(self, params: ParamsT, lr: float, beta: float = 1.0, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "l1": l1, "l2": l2})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, with its own hyperparameters where it names them."""
        settings = {**self.defaults, **param_group}
        for name, above in (("lr", True), ("beta", True), ("l1", False), ("l2", False)):
            value = settings[name]
            if not (value > 0 if above else value >= 0):
                raise ValueError(f"FTRL: {name} must be {'above' if above else 'at least'} 0, found {value}")
        super().add_param_group(param_group)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient; return what `closure`, if any, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            _check_rate(group)
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["z"] = weight * (-group["beta"] / group["lr"])
            state["n"] = torch.zeros_like(weight)
        rows, g = _rows(gradient)
        weight[rows], state["z"][rows], state["n"][rows] = _stepped(
            weight[rows], state["z"][rows], state["n"][rows], g, group
        )


def _check_rate(group: dict[str, Any]) -> None:
    """Refuse an lr other than the first step's, which the group, and so state_dict, remembers as `alpha`."""
    if group.setdefault("alpha", group["lr"]) != group["lr"]:
        raise ValueError(
            f"FTRL: lr was {group['alpha']} at the first step and is now {group['lr']}. "
            "Its rates fall by themselves, per coordinate: leave it out of the learning rate schedule"
        )


def _rows(gradient: Tensor) -> tuple[Rows, Tensor]:
    """Index of the coordinates that the gradient holds, and their values; duplicates are summed."""
    if not gradient.is_sparse:
        return ..., gradient
    gradient = gradient.coalesce()
    return tuple(gradient.indices()), gradient.values()


def _stepped(w: Tensor, z: Tensor, n: Tensor, g: Tensor, group: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """One step of Algorithm 1, element-wise, in its letters: the new w, z and n."""
    alpha, beta, l1, l2 = group["lr"], group["beta"], group["l1"], group["l2"]
    n_new = n + g * g
    sigma = (n_new.sqrt() - n.sqrt()) / alpha
    z_new = z + g - sigma * w
    shrunk = z_new.sign() * (z_new.abs() - l1).clamp(min=0)
    w_new = -shrunk / ((beta + n_new.sqrt()) / alpha + l2)
    # The closed form would bring a weight without gradient back one rounding away, or shrink its start.
    return torch.where(g == 0, w, w_new), z_new, n_new
