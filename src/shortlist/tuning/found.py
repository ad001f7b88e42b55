"""What a search has found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from shortlist.evaluation.paired import Comparison
from shortlist.pipeline import Run
from shortlist.tuning.plan import Plan


@dataclass(frozen=True)
class Found:
    """What a search has found."""

    plan: Plan
    trials: tuple[FrozenTrial, ...]
    own_score: float
    """Of the recipe as it stands, on validation, higher is better."""
    best: FrozenTrial | None
    """None where no trial is better on validation than the recipe as it stands."""
    tuned: Tuned | None = None
    """The recipe of the best trial, if there is one."""


@dataclass(frozen=True)
class Tuned:
    """The best recipe of a search, measured."""

    file: Path
    run: Run
    comparisons: tuple[Comparison, ...]
    """The recipe as it stands and this one on the test; the first of them is of the metric that was tuned."""

    @property
    def is_better(self) -> bool:
        """Whether it is better on the test too, by more than the confidence interval."""
        return self.comparisons[0].better
