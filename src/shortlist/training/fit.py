"""The fit loop: epochs, validation, early stopping, the best epoch kept. It knows no model and no loss."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from shortlist.core.errors import DataError
from shortlist.core.progress import Reporter
from shortlist.recipe.sections import Training

Step = TypeVar("Step")


class Task(Protocol[Step]):
    """What is fitted: a model with its batches, its loss and its validation."""

    @property
    def name(self) -> str:
        """What the progress bar calls it."""

    @property
    def metric(self) -> str:
        """The validation metric that decides; higher is better."""

    @property
    def model(self) -> nn.Module:
        """What is fitted."""

    def rows_per_epoch(self) -> int:
        """Rows of one epoch, for the progress bar."""

    def steps(self, epoch: int) -> Iterator[tuple[int, Step]]:
        """The batches of an epoch, each with the rows it counts for."""

    def loss(self, step: Step) -> Tensor:
        """A scalar."""

    def validate(self) -> dict[str, float]:
        """Validation metrics by name."""


def fit(
    task: Task[Step], optimisers: Sequence[torch.optim.Optimizer], settings: Training, reporter: Reporter
) -> list[dict[str, Any]]:
    """Train `task.model` in place and leave it with the weights of its best epoch; returns the learning curve."""
    history: list[dict[str, Any]] = []
    best = -math.inf
    best_state: dict[str, Any] = {}
    since_best = 0
    for epoch in range(settings.epochs):
        entry = _run_epoch(task, optimisers, epoch, settings.epochs, reporter)
        score = _validate(task, entry)
        if not math.isfinite(score):
            reporter.say(
                task.name, f"stopped: epoch {epoch + 1} gave {task.metric} {score}, loss {entry['train_loss']}"
            )
            break
        history.append(entry)
        if score > best:
            best, since_best = score, 0
            best_state = copy.deepcopy(task.model.state_dict())
        else:
            since_best += 1
        if since_best >= settings.patience:
            break
    if not best_state:
        raise DataError(
            f"{task.name}: after the first epoch the loss or the validation {task.metric} is not a number. "
            "Lower the learning rate, or look for extreme values in the numeric columns."
        )
    task.model.load_state_dict(best_state)
    return history


def _validate(task: Task[Step], entry: dict[str, Any]) -> float:
    """Add the validation metrics to an epoch's entry; the deciding one, not a number where the loss is none."""
    if not math.isfinite(entry["train_loss"]):
        return math.nan
    task.model.eval()
    with torch.inference_mode():
        entry["valid"] = task.validate()
    return float(entry["valid"][task.metric])


def _run_epoch(
    task: Task[Step], optimisers: Sequence[torch.optim.Optimizer], epoch: int, epochs: int, reporter: Reporter
) -> dict[str, Any]:
    """One pass over the training rows."""
    task.model.train()
    started = time.perf_counter()
    loss_sum, rows_done = 0.0, 0
    with reporter.bar(task.name, task.rows_per_epoch(), "rows") as advance:
        for rows, step in task.steps(epoch):
            for optimiser in optimisers:
                optimiser.zero_grad(set_to_none=True)
            loss = task.loss(step)
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            loss_sum += loss.item() * rows
            rows_done += rows
            advance(rows, f"epoch {epoch + 1}/{epochs}  loss {loss_sum / rows_done:.4f}")
    seconds = time.perf_counter() - started
    return {
        "epoch": epoch + 1,
        "train_loss": loss_sum / max(rows_done, 1),
        "seconds": round(seconds, 3),
        "rows_per_s": round(rows_done / seconds),
    }
