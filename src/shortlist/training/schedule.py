"""How learning rates change as training goes on: warm-up, decay, plateau."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim.optimizer import Optimizer

from shortlist.core.errors import Problem, RecipeError
from shortlist.recipe.training import Schedule
from shortlist.training.ftrl import FTRL


class RateSchedule:
    """Sets the learning rates of optimisers before each step.

    Every rate is the optimiser's own times `share`, which follows from the number of the step and, for `plateau`, from
    the validation scores so far: a run that is resumed at a step has the rates of one that was never stopped. FTRL,
    whose rates fall by themselves, is left out.

    Raises:
        RecipeError: the warm-up takes all the steps there are.
    """

    def __init__(
        self, settings: Schedule, optimisers: Sequence[Optimizer], total_steps: int, place: str = "schedule"
    ) -> None:
        """`place` is where the recipe has the settings, as errors say it."""
        if settings.warmup >= total_steps > 0:
            message = (
                f"{settings.warmup} steps of warm-up, and the run has only {total_steps}: rates would never reach "
                "the optimisers' own. Set fewer, or more epochs"
            )
            raise RecipeError([Problem(f"{place}.warmup", message)])
        self.settings = settings
        self.total_steps = total_steps
        self.plateau = 1.0
        self.best: float | None = None
        self.since_best = 0
        self._optimisers = [optimiser for optimiser in optimisers if not isinstance(optimiser, FTRL)]
        for group in self._groups():
            # Kept in the group, and so in its state_dict, where `lr` is the rate of one step.
            group.setdefault("initial_lr", group["lr"])

    def before_step(self, step: int) -> None:
        """Set the rates of step 0, 1, … of the run."""
        share = self.share(step)
        for group in self._groups():
            group["lr"] = group["initial_lr"] * share

    def share(self, step: int) -> float:
        """What the optimisers' own rates are multiplied by at a step."""
        warmup = self.settings.warmup
        if step < warmup:
            return self.plateau * (step + 1) / warmup
        if self.settings.decay not in ("linear", "cosine"):
            return self.plateau
        # 1 at the first step after the warm-up; it would be 0 at the step after the last one.
        left = max(self.total_steps - step, 0) / (self.total_steps - warmup)
        return left if self.settings.decay == "linear" else (1 - math.cos(math.pi * left)) / 2

    def after_epoch(self, score: float) -> None:
        """Take the validation score of an epoch, higher being better."""
        if self.best is None or score > self.best:
            self.best, self.since_best = score, 0
            return
        self.since_best += 1
        if self.settings.decay == "plateau" and self.since_best >= self.settings.patience:
            self.plateau *= self.settings.factor
            self.since_best = 0

    def state_dict(self) -> dict[str, Any]:
        """What does not follow from the step, as plain JSON values."""
        return {"plateau": self.plateau, "best": self.best, "since_best": self.since_best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.plateau, self.best, self.since_best = state["plateau"], state["best"], state["since_best"]

    def _groups(self) -> Iterator[dict[str, Any]]:
        """Asked for anew at each step: an optimiser that loads its state has other groups than before."""
        for optimiser in self._optimisers:
            yield from optimiser.param_groups
