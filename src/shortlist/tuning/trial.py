"""A trial: one set of values, run and measured, or ended early."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import Literal

from optuna.storages import BaseStorage

from shortlist.core.errors import EnvironmentFault, ShortlistError
from shortlist.core.progress import Epoch, Silent
from shortlist.pipeline.stages import Stage
from shortlist.pipeline.watch import Several, Stopped, Unwatched, Watched
from shortlist.tracking.figures import named
from shortlist.tracking.watch import MlflowWatch
from shortlist.tuning.plan import Plan
from shortlist.tuning.space import Values
from shortlist.tuning.storage import open_storage, open_study, trial_id

State = Literal["finished", "pruned", "failed", "broken off", "lost"]
"""failed: by the values themselves. broken off: by the machine, lost: with its process; such trials are run again."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: State
    score: float | None
    """Of the validation split, higher is better; of a trial that was pruned or failed there is none."""
    seconds: float
    message: str = ""
    """Why it did not finish; of one that did, what went wrong beside it."""


def attempt(plan: Plan, number: int, values: Values, prune: Stage | None) -> Outcome:
    """Run the trial of these values, going on from what a killed process has left of it; never raises.

    prune: the stage whose validation metric may end the trial after an epoch; None for no stage.
    """
    started = time.perf_counter()

    def ended(state: State, score: float | None = None, message: str = "") -> Outcome:
        return Outcome(state, score, time.perf_counter() - started, message)

    said = _Warnings()
    recorded = None if plan.record is None else MlflowWatch(parent=plan.record, name=f"trial {number}")
    try:
        pruning = None if prune is None else _Pruning(plan, number, prune)
        run = plan.run(values, said, Several(*(one for one in (recorded, pruning) if one is not None)))
        score = plan.score(run)
        if recorded is not None:
            recorded.catch_up(run)
            recorded.note(run, {named(f"tuned/{plan.measure.name}"): score})
        return ended("finished", score, said.text)
    except _Pruned as pruned:
        return ended("pruned", message=str(pruned))
    except (EnvironmentFault, MemoryError) as error:
        return ended("broken off", message=str(error) or "out of memory")
    except ShortlistError as error:
        return ended("failed", message=str(error))
    except Exception as error:
        # The other trials go on: a value that a library cannot take is the search's to find out.
        return ended("failed", message="".join(traceback.format_exception(error)))


class _Warnings(Silent):
    """Keeps what is said of tracking, which in a worker nobody would read."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, stage: str, message: str) -> None:
        """Keep where it is not recorded."""
        if stage == "tracking" and message.startswith("not recorded"):
            self.text = message


class _Pruned(Stopped):
    """The trial is not worth going on with."""


class _Pruning(Unwatched):
    """Ends a trial whose validation metric falls behind that of the trials before it."""

    def __init__(self, plan: Plan, number: int, stage: Stage) -> None:
        self.storage: BaseStorage = open_storage(plan.folder)
        self.study = open_study(self.storage)
        self.trial = trial_id(self.storage, number)
        self.pruned_by = stage

    def epoch(self, run: Watched, stage: Stage, entry: Epoch) -> None:
        """Keep the epoch's metric, the one that decides, and compare it."""
        if stage != self.pruned_by or not entry["valid"]:
            return
        metric, value = next(iter(entry["valid"].items()))
        self.storage.set_trial_intermediate_value(self.trial, entry["epoch"], value)
        if self.study.pruner.prune(self.study, self.storage.get_trial(self.trial)):
            raise _Pruned(f"after epoch {entry['epoch']}, with a valid {metric} of {value:.4f}")
