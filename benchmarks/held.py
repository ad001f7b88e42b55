"""The product's own `fit`, held between two batches: it goes on only as far as it is asked to, so others take turns."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from benchmarks.worker import cpu_seconds
from shortlist.training.fit import Task

History = list[dict[str, Any]]


class Held:
    """A task whose batches come only as far as was asked for."""

    def __init__(self, task: Task[Any], units: Callable[[int, Any], int] = lambda rows, step: rows) -> None:
        """`units` says what a batch of so many rows counts for."""
        self.task = task
        self.name = task.name
        self.metric = task.metric
        self._units = units
        self.allowed: queue.Queue[int] = queue.Queue()
        """How many batches to go on for; 0 ends the epoch."""
        self.done: queue.Queue[int | BaseException] = queue.Queue()
        """The units of those batches, when their steps have been taken."""

    @property
    def model(self) -> nn.Module:
        """The task's."""
        return self.task.model

    def rows_per_epoch(self) -> int:
        """The task's."""
        return self.task.rows_per_epoch()

    def steps_per_epoch(self) -> int:
        """The task's."""
        return self.task.steps_per_epoch()

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, Any]]:
        """The same batches."""
        left, taken = self.allowed.get(), 0
        for rows, step in self.task.steps(epoch, start):
            if left == 0:
                self.done.put(taken)
                left, taken = self.allowed.get(), 0
                if left == 0:
                    return
            yield rows, step
            left, taken = left - 1, taken + self._units(rows, step)
        self.done.put(taken)
        self.allowed.get()

    def loss(self, step: Any) -> Tensor:
        """The task's."""
        return self.task.loss(step)

    def validate(self) -> dict[str, float]:
        """The task's."""
        return self.task.validate()


class HeldFit:
    """A fit in a thread of its own, of a task that is held."""

    def __init__(self, task: Held, fit: Callable[[], History]) -> None:
        self.task = task
        self._fit = fit
        self._history: History = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._history = self._fit()
        except BaseException as error:
            self.task.done.put(error)

    def train(self, batches: int) -> dict[str, Any]:
        """The next batches of the epoch."""
        before = cpu_seconds()
        self.task.allowed.put(batches)
        units = self.task.done.get()
        if isinstance(units, BaseException):
            raise units
        return {"cpu_s": cpu_seconds() - before, "rows": units}

    def end(self) -> History:
        """End the epoch; the learning curve."""
        self.task.allowed.put(0)
        self._thread.join()
        return self._history
