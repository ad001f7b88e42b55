"""FTRL-proximal, the optimiser of Wide & Deep's wide part."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from shortlist.training.row_optimiser import Group, RowOptimiser, State


class FTRL(RowOptimiser):
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

    above_0 = ("lr", "beta")
    at_least_0 = ("l1", "l2")

    def __init__(self, params: ParamsT, lr: float, beta: float = 1.0, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "l1": l1, "l2": l2})

    def start(self, weight: Tensor, group: Group) -> State:
        """z and n, of the weights' shape."""
        return {"z": weight * (-group["beta"] / group["lr"]), "n": torch.zeros_like(weight)}

    def penalised(self, weight: Tensor, gradient: Tensor, group: Group) -> Tensor:
        """The gradient as it is: the closed form has a term for the penalty."""
        return gradient

    def advance(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        """One step of Algorithm 1, in place."""
        _check_rate(group)
        alpha, beta, l1, l2 = group["lr"], group["beta"], group["l1"], group["l2"]
        z, n = state["z"], state["n"]
        root_before = n.sqrt()
        root = n.add_(gradient.square()).sqrt()
        sigma = (root - root_before).div_(alpha)
        z.add_(gradient - sigma.mul_(weight))
        shrunk = z.sign().mul_(z.abs().sub_(l1).clamp_(min=0))
        changed = shrunk.neg_().div_(root.add_(beta).div_(alpha).add_(l2))
        # The closed form would bring a weight without gradient back one rounding away, or shrink its start.
        weight.copy_(torch.where(gradient == 0, weight, changed))


def _check_rate(group: Group) -> None:
    """Refuse an lr other than the first step's, which the group, and so state_dict, remembers as `alpha`."""
    if group.setdefault("alpha", group["lr"]) != group["lr"]:
        raise ValueError(
            f"FTRL: lr was {group['alpha']} at the first step and is now {group['lr']}. "
            "Its rates fall by themselves, per coordinate: leave it out of the learning rate schedule"
        )
