"""Something to fit for so many seconds: what a benchmark gives to the product's own `fit`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Step = TypeVar("Step")


@dataclass
class TimedTask(Generic[Step]):
    """A task whose one epoch ends when the time is over."""

    model: nn.Module
    batches: Callable[[], Iterator[Step]]
    """Without end."""
    loss: Callable[[Step], Tensor]
    rows: int
    """Of a batch."""
    seconds: float
    """After the warm-up."""
    warmup: int = 2
    """Batches that are not counted."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    name: str = "timed"
    metric: str = "batches"
    times: list[float] = field(default_factory=list)
    """When the warm-up ended, and each batch after it; on a GPU only the first and the last are waited for."""

    def rows_per_epoch(self) -> int:
        """Unknown before."""
        return 0

    def steps_per_epoch(self) -> int:
        """As many."""
        return 0

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, Step]]:
        """Batches until the time is over."""
        for count, step in enumerate(self.batches()):
            if count >= self.warmup:
                if not self.times:
                    self._wait()
                self.times.append(time.perf_counter())
                if len(self.times) > 1 and self.times[-1] - self.times[0] >= self.seconds:
                    self._wait()
                    self.times[-1] = time.perf_counter()
                    return
            yield self.rows, step

    def validate(self) -> dict[str, float]:
        """There is nothing to validate."""
        return {self.metric: float(len(self.times) - 1)}

    def rate(self) -> float:
        """Rows a second by the clock on the wall."""
        return (len(self.times) - 1) * self.rows / (self.times[-1] - self.times[0])

    def windows(self, count: int = 6) -> list[float]:
        """Rows a second in equal parts of the time."""
        edges = np.linspace(self.times[0], self.times[-1], count + 1)
        batches, _ = np.histogram(self.times[1:], edges)
        rates: list[float] = (batches * self.rows / np.diff(edges)).tolist()
        return rates

    def facts(self) -> dict[str, Any]:
        """All of it."""
        return {"rows_per_s": self.rate(), "windows": self.windows(), "batches": len(self.times) - 1}

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
