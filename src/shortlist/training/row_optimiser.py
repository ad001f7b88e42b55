"""Base of the optimisers that read and write only the rows of a sparse gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from shortlist.nn.mapped import MappedTable, mapped_table
from shortlist.training.touched import touched_rows

Group = dict[str, Any]
State = dict[str, Tensor]


class RowOptimiser(Optimizer, ABC):
    """An optimiser whose step on some rows needs nothing of the others.

    A subclass says what state a parameter starts with and how weights, with their state, change in place. It is given
    the batch's rows alone where the gradient is sparse, duplicates summed, and the whole parameter where it is dense.

    `advance` should round after each operation, as `mul` and `add` do and `addcmul`, `addcdiv`, `lerp` and `add` with
    an alpha may not: what a row becomes then depends neither on its place among the others nor on the number of
    threads, and sparse and dense gradients give the same bits.

    Raises:
        ValueError: a hyperparameter outside its range.
    """

    above_0: ClassVar[tuple[str, ...]]
    """Names of hyperparameters that must be above 0."""
    at_least_0: ClassVar[tuple[str, ...]] = ("l2",)
    """Names of hyperparameters that may be 0."""

    @abstractmethod
    def start(self, weight: Tensor, group: Group) -> State:
        """State of a parameter before its first step: a row for each of its rows, or a scalar for all of them."""

    @abstractmethod
    def advance(self, weight: Tensor, gradient: Tensor, state: State, group: Group) -> None:
        """One step, in place, for rows of a parameter; their gradient is left as it is."""

    def penalised(self, weight: Tensor, gradient: Tensor, group: Group) -> Tensor:
        """The gradient with that of the penalty l2 / 2 · |w|²; for a sparse one that of the batch's rows alone."""
        return gradient + weight * group["l2"] if group["l2"] else gradient

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, with its own hyperparameters where it names them."""
        settings = {**self.defaults, **param_group}
        for name in (*self.above_0, *self.at_least_0):
            value, above = settings[name], name in self.above_0
            if not (value > 0 if above else value >= 0):
                raise ValueError(
                    f"{type(self).__name__}: {name} must be {'above' if above else 'at least'} 0, found {value}"
                )
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
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)
        return loss

    def _update(self, weight: Tensor, gradient: Tensor, group: Group) -> None:
        state: State = self.state[weight]
        table = mapped_table(weight)
        if table is not None:
            self._update_mapped(table, gradient, state, group)
            return
        if not state:
            state.update(self.start(weight, group))
        if not gradient.is_sparse:
            self.advance(weight, self.penalised(weight, gradient, group), state, group)
            return
        rows_R, gradient_RD = touched_rows(gradient)
        weight_RD = weight.index_select(0, rows_R)
        part = {name: whole.index_select(0, rows_R) if whole.dim() else whole for name, whole in state.items()}
        self.advance(weight_RD, self.penalised(weight_RD, gradient_RD, group), part, group)
        weight.index_copy_(0, rows_R, weight_RD)
        for name, whole in state.items():
            if whole.dim():
                whole.index_copy_(0, rows_R, part[name])

    def _update_mapped(self, table: MappedTable, gradient: Tensor, state: State, group: Group) -> None:
        """The same for a table that keeps the state of its rows itself; only scalars are in `state`."""

        def start(weight_RD: Tensor) -> State:
            return self.start(weight_RD, group)

        rows_R, gradient_RD = touched_rows(gradient)
        weight_RD, part = table.take(rows_R, start)
        if not state:
            state.update({name: value for name, value in start(weight_RD[:0]).items() if not value.dim()})
        self.advance(weight_RD, self.penalised(weight_RD, gradient_RD, group), {**state, **part}, group)
        table.put(rows_R, weight_RD, part)
