"""The fit loop: epochs, validation, early stopping, the best epoch kept, and going on after a crash.

It knows no model and no loss. Where several processes train together each of them runs it: they add up their gradients,
do as the first one decides, and the first one alone writes.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from shortlist.core.errors import DataError
from shortlist.core.profile import span
from shortlist.core.progress import Reporter
from shortlist.core.seeding import stream
from shortlist.nn.ranks import agreed, rank, world
from shortlist.recipe.training import Training
from shortlist.training.checkpoint import Best, Checkpoints
from shortlist.training.clipping import clip_norm
from shortlist.training.exchange import exchange
from shortlist.training.look_ups import spans_of_look_ups, wait_if_recording
from shortlist.training.precision import Precision
from shortlist.training.schedule import RateSchedule
from shortlist.training.weights import unshared

Step = TypeVar("Step")
SHOWN_SECONDS = 0.5
"""Between two readings of the loss, for which a GPU has to be waited for."""
_FP32 = Precision()


class Task(Protocol[Step]):
    """What is fitted: a model with its batches, its loss and its validation."""

    @property
    def name(self) -> str:
        """What the progress bar calls it."""

    @property
    def metric(self) -> str | None:
        """The validation metric that decides; higher is better. None without validation: the last epoch is kept."""

    @property
    def model(self) -> nn.Module:
        """What is fitted."""

    def rows_per_epoch(self) -> int:
        """Rows of one epoch, for the progress bar."""

    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, Step]]:
        """The batches of an epoch from number `start` on, each with the rows it counts for."""

    def loss(self, step: Step) -> Tensor:
        """A scalar, of the whole batch; its gradients are those of this process's part of it."""

    def validate(self) -> dict[str, float]:
        """Validation metrics by name."""


@dataclass
class Progress:
    """How far a fit has come: all that is neither in the model nor in an optimiser."""

    epoch: int = 0
    """Epochs done."""
    batch: int = 0
    """Batches done of the next one."""
    step: int = 0
    """Batches done in all."""
    rows: int = 0
    """Rows of this epoch's batches."""
    seconds: float = 0.0
    """That they took."""
    loss_sum: Any = 0.0
    """Of their losses times their rows: a float64 scalar on the model's device, which is waited for only when read."""
    best: float = -math.inf
    """The best validation score."""
    since_best: int = 0
    """Epochs since then."""
    stopped: bool = False
    """Whether an epoch gave a loss or a score that is not a number: nothing is trained after it."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The learning curve."""


def fit(
    task: Task[Step],
    optimisers: Sequence[torch.optim.Optimizer],
    settings: Training,
    reporter: Reporter,
    checkpoints: Checkpoints,
    precision: Precision = _FP32,
) -> list[dict[str, Any]]:
    """Train `task.model` in place and leave it with the weights of its best epoch; returns the learning curve.

    It goes on from the newest of `checkpoints`, if there is one, as if it had never been interrupted. On the CPU the
    weights are then the same bit for bit, with as many threads as before.
    """
    with _deterministic(precision), precision.applied(task.model):
        return _Fit(task, optimisers, settings, reporter, checkpoints, precision).run()


@contextlib.contextmanager
def _deterministic(precision: Precision) -> Iterator[None]:
    """On the CPU let no operation depend on which thread comes first. On a GPU that would cost too much speed."""
    if precision.device != "cpu":
        yield
        return
    memory: Any = torch.utils.deterministic
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Nothing here reads memory before it is written.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        memory.fill_uninitialized_memory = filled


class _Fit(Generic[Step]):
    """One call of `fit`."""

    def __init__(
        self,
        task: Task[Step],
        optimisers: Sequence[torch.optim.Optimizer],
        settings: Training,
        reporter: Reporter,
        checkpoints: Checkpoints,
        precision: Precision,
    ) -> None:
        self.task = task
        self.optimisers = optimisers
        self.settings = settings
        self.reporter = reporter
        self.checkpoints = checkpoints
        self.precision = precision
        self.scaler = precision.scaler()
        self.seed = torch.initial_seed()
        self.schedule = self._schedule()
        self.progress = Progress()

    def run(self) -> list[dict[str, Any]]:
        """All epochs, or those that are left."""
        self._go_on()
        now = self.progress
        while now.epoch < self.settings.epochs and now.since_best < self.settings.patience and not now.stopped:
            self._epoch()
        if not now.history:
            raise DataError(
                f"{self.task.name}: after the first epoch the loss or the validation {self.task.metric} is not a "
                "number. Lower the learning rate, or look for extreme values in the numeric columns."
            )
        if rank() == 0:
            self.task.model.load_state_dict(self.checkpoints.best(), strict=False)
        return now.history

    def _schedule(self) -> RateSchedule:
        steps = self.settings.epochs * self.task.steps_per_epoch()
        return RateSchedule(self.settings.schedule, self.optimisers, steps, f"{self.task.name}.schedule")

    def _epoch(self) -> None:
        """Train, validate and save; stop where the numbers are none."""
        now = self.progress
        self._train()
        entry = {
            "epoch": now.epoch + 1,
            "train_loss": float(now.loss_sum) / max(now.rows, 1),
            "seconds": round(now.seconds, 3),
            "rows_per_s": round(now.rows / now.seconds),
        }
        score = agreed(self._validate(entry))
        if not math.isfinite(score):
            said = f"stopped: epoch {now.epoch + 1} gave {self.task.metric} {score}, loss {entry['train_loss']}"
            self.reporter.say(self.task.name, said)
            now.stopped = True
            if now.history:
                # Mapped tables go back to the best epoch next: a process killed meanwhile must not train them further.
                self._save()
            return
        self.schedule.after_epoch(score)
        now.history.append(entry)
        is_best = score > now.best
        now.best, now.since_best = (score, 0) if is_best else (now.best, now.since_best + 1)
        now.epoch, now.batch, now.rows, now.seconds, now.loss_sum = now.epoch + 1, 0, 0, 0.0, 0.0
        self._save(is_best)
        self.reporter.epoch(self.task.name, entry)

    def _train(self) -> None:
        """The batches of an epoch that are left."""
        now, task = self.progress, self.task
        task.model.train()
        started, before = time.perf_counter(), now.seconds
        with self._bar() as show, spans_of_look_ups(task.model):
            batches = iter(task.steps(now.epoch, now.batch))
            while True:
                with span("load"):
                    following = next(batches, None)
                if following is None:
                    break
                rows, step = following
                self.schedule.before_step(now.step)
                now.loss_sum = now.loss_sum + self._step(step).double() * rows
                now.rows += rows
                now.batch += 1
                now.step += 1
                now.seconds = before + time.perf_counter() - started
                show()
                if self.checkpoints.due():
                    self._save()
        now.seconds = before + time.perf_counter() - started

    @contextlib.contextmanager
    def _bar(self) -> Iterator[Callable[[], None]]:
        """The progress bar of an epoch; what it is given after each step shows now and then how far it is."""
        now, shown_rows, shown_at = self.progress, 0, -math.inf
        with self.reporter.bar(self.task.name, self.task.rows_per_epoch(), "rows") as advance:

            def show() -> None:
                nonlocal shown_rows, shown_at
                if time.perf_counter() - shown_at < SHOWN_SECONDS:
                    return
                loss = float(now.loss_sum) / now.rows
                advance(now.rows - shown_rows, f"epoch {now.epoch + 1}/{self.settings.epochs}  loss {loss:.4f}")
                shown_rows, shown_at = now.rows, time.perf_counter()

            yield show

    def _step(self, step: Step) -> Tensor:
        """Forward, backward and update; the loss."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self._seed()
        with span("dense"):
            loss = self.task.loss(step)
            self.scaler.scale(loss).backward()
            wait_if_recording(loss.device)
        exchange(self.task.model.parameters())
        with span("optimiser"):
            whole = self._unscale()
            if whole:
                if self.settings.clip_norm is not None:
                    clip_norm(self.task.model.parameters(), self.settings.clip_norm)
                for optimiser in self.optimisers:
                    optimiser.step()
            wait_if_recording(loss.device)
        # A batch that overflowed in fp16 was left out, and says nothing of the model.
        return loss.detach() if whole else torch.zeros_like(loss)

    def _seed(self) -> None:
        """Where several processes train together, the dropout of each follows from the step and its rank.

        So a checkpoint needs to know of one random state alone, and any number of processes goes on from it.
        """
        if world() > 1:
            torch.manual_seed(int(stream(self.seed, "dropout", self.progress.step, rank()).integers(2**62)))

    def _unscale(self) -> bool:
        """Take the loss scale out of all gradients; False where one of them overflowed, and no optimiser may step.

        GradScaler decides for each optimiser by itself. A batch is learned from whole or not at all, and clipping
        needs the norm over all of them.
        """
        if not self.scaler.is_enabled():
            return True
        for optimiser in self.optimisers:
            self.scaler.unscale_(optimiser)
        before = self.scaler.get_scale()
        self.scaler.update()
        return self.scaler.get_scale() >= before

    def _validate(self, entry: dict[str, Any]) -> float:
        """Add the validation metrics to an epoch's entry; the deciding one, not a number where the loss is none.

        Without validation each epoch is better than the one before.
        """
        if not math.isfinite(entry["train_loss"]):
            return math.nan
        if self.task.metric is None:
            entry["valid"] = {}
            return float(entry["epoch"])
        self.task.model.eval()
        with span("validate"), torch.inference_mode():
            entry["valid"] = self.task.validate()
        return float(entry["valid"][self.task.metric])

    def _save(self, is_best: bool = False) -> None:
        """Write a checkpoint, for all processes."""
        if rank() > 0:
            self.checkpoints.take_part()
            return
        now = self.progress
        state = {
            "progress": dict(vars(now)),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if self.precision.device == "cuda" else [],
        }
        with span("checkpoint"):
            best: Best = "this" if is_best else "earlier" if now.history else "none"
            self.checkpoints.save(unshared(self.task.model), state, best)

    def _go_on(self) -> None:
        """Take up the state of the newest checkpoint, if there is one, and say from where."""
        found = self.checkpoints.latest()
        if found is None:
            return
        state = found.state
        self.task.model.load_state_dict(found.weights, strict=False)
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        # Loading gives an optimiser other parameter groups, and those are what a schedule sets the rates of.
        self.schedule = self._schedule()
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        if self.precision.device == "cuda":
            torch.cuda.set_rng_state_all(state["random_cuda"])
        self.progress = now = Progress(**state["progress"])
        if isinstance(now.loss_sum, Tensor):
            now.loss_sum = now.loss_sum.to(next(self.task.model.parameters()).device)
        batches = f"batch {now.batch:,} of {self.task.steps_per_epoch():,}"
        when = _when(found.written)
        self.reporter.say(self.task.name, f"going on from epoch {now.epoch + 1}, {batches} (checkpoint of {when})")


def _when(written: float) -> str:
    """The time of day, with the date unless that is today's."""
    then = time.localtime(written)
    return time.strftime("%H:%M" if then[:3] == time.localtime()[:3] else "%Y-%m-%d %H:%M", then)
