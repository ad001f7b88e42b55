"""AdamW that takes a table's sparse gradient and still updates every row of the table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from shortlist.training.touched import touched_rows


class AdamW(torch.optim.AdamW):
    """torch's fused AdamW, the same bits, for tables with sparse gradients as well.

    Moments decay and weights move in every row, whether the batch looked it up or not: that is what tells Adam from
    SparseAdam, and it costs a pass over weights, gradient and moments. What is saved is a new gradient as large as the
    table in every step. One is kept, all zeros between the steps, and takes the batch's rows before each.

    Loshchilov, Hutter: Decoupled Weight Decay Regularization, ICLR 2019.
    """

    def __init__(self, params: ParamsT, lr: float, weight_decay: float) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, fused=True)
        self._dense: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update every parameter that has a gradient; return what `closure`, if any, returns."""
        spread = [
            (weight, weight.grad, self._spread(weight))
            for group in self.param_groups
            for weight in group["params"]
            if weight.grad is not None and weight.grad.is_sparse
        ]
        loss = super().step(closure)
        for weight, gradient, rows_R in spread:
            self._dense[weight].index_fill_(0, rows_R, 0.0)
            weight.grad = gradient
        return loss

    def _spread(self, weight: Tensor) -> Tensor:
        """Put the sparse gradient of `weight` into its dense one; the rows that it is of."""
        if weight not in self._dense:
            self._dense[weight] = torch.zeros_like(weight)
        assert weight.grad is not None
        rows_R, gradient_RD = touched_rows(weight.grad)
        weight.grad = self._dense[weight].index_copy_(0, rows_R, gradient_RD)
        return rows_R
