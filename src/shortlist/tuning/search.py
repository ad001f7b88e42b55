"""The search: which values come next, who tries them, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from shortlist.core.errors import DataError, EnvironmentFault
from shortlist.core.files import remove_folder
from shortlist.core.progress import Reporter
from shortlist.pipeline.stages import Stage
from shortlist.recipe.tune import Tune
from shortlist.tuning.plan import Plan
from shortlist.tuning.space import Values, distributions, overrides
from shortlist.tuning.spark import SparkWorkers
from shortlist.tuning.storage import open_storage, open_study, trial_id
from shortlist.tuning.trial import Outcome, State
from shortlist.tuning.workers import Job, Workers

SECONDS, MESSAGE, AS_IT_STANDS = "seconds", "message", "as it stands"
"""Attributes of a trial: how long it took, why it was pruned or failed, and that it is the recipe's own values."""
_LOST = "lost"
"""Attribute of a trial: how often its process was killed."""
_MOST_LOST = 3
"""Processes that one trial may lose: after those the fault is taken to be the trial's own."""
_STATES: Mapping[State, TrialState] = {
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
_WAIT = 0.5
"""Seconds between two looks at the clock."""
_FAILURES = 3
"""Trials that may fail at the start, where none has succeeded."""


def pruned_stage(plan: Plan, tune: Tune) -> Stage | None:
    """The stage whose epochs tell early how a trial will end; None where none does, or [tune] says so.

    It is the first stage that the ranges change, for the metric of a later one is another with each trial: a ranker is
    validated against candidates of the retrieval before it.
    """
    changed = {setting.partition(".")[0] for setting in plan.ranges}
    other_rows = any(setting.startswith("ranking.negatives") for setting in plan.ranges)
    if not tune.prune:
        return None
    if "retrieval" in changed:
        return "retrieval"
    return "ranking" if "ranking" in changed and "sources" not in changed and not other_rows else None


def search(plan: Plan, tune: Tune, reporter: Reporter, own: Values | None, score: float) -> tuple[FrozenTrial, ...]:
    """Try values until the trials, the minutes or the patience of [tune] are used up; all trials, in their order.

    A search that was stopped goes on: what has ended stays, and what was under way is taken up again, so that no trial
    is lost and none is done twice. `own` are the values of the recipe as it stands, where they lie in the ranges, and
    `score` is its score: the sampler learns from them too.

    Raises:
        DataError: the first trials have all failed; with the message of the last of them.
        EnvironmentFault: the machine has broken a trial off, or its process was killed.
    """
    storage = open_storage(plan.folder)
    study = open_study(storage)
    if own is not None and not study.trials:
        study.add_trial(_own_trial(own, score, distributions(plan.ranges)))
    # Going on, the sampler must not draw again what it has drawn before.
    study = open_study(storage, seed=plan.recipe().seed + len(study.trials))
    _Search(plan, tune, reporter, storage, study, score).run()
    return tuple(study.trials)


def tried(trials: Iterable[FrozenTrial]) -> tuple[FrozenTrial, ...]:
    """Without the one that is the recipe as it stands."""
    return tuple(trial for trial in trials if AS_IT_STANDS not in trial.user_attrs)


def scores(trials: Iterable[FrozenTrial]) -> dict[int, float]:
    """The score of each trial that was finished, by its number."""
    return {t.number: t.value for t in trials if t.state == TrialState.COMPLETE and t.value is not None}


@dataclass
class _Search:
    """One call of `search`."""

    plan: Plan
    tune: Tune
    reporter: Reporter
    storage: BaseStorage
    study: optuna.Study
    best: float
    """The best score so far."""

    def run(self) -> None:
        """All trials, or those that are left."""
        began = time.monotonic()
        trials = tried(self.study.trials)
        again = [trial for trial in trials if trial.state == TrialState.RUNNING]
        self.best = max([self.best, *scores(trials).values()])
        if trials:
            self.reporter.say("tune", f"going on with {len(trials)} trials, {len(again)} of which had not ended")
        with (
            self._crew() as workers,
            self.reporter.bar("tune", self.tune.trials, "trials") as advance,
        ):
            advance(len(trials) - len(again), "")
            while True:
                while workers.idle and (job := self._next(again, began)):
                    workers.give(job)
                if not workers.at_work:
                    return
                ended = workers.ended(_WAIT)
                for job, outcome in ended:
                    if outcome.state in _STATES:
                        self._tell(job, outcome)
                        advance(1, f"best {self.plan.measure.name} {self._shown(self.best)}")
                self._check_the_machine(ended)

    def _crew(self) -> Workers | SparkWorkers:
        """Those who run the trials."""
        prune, count = pruned_stage(self.plan, self.tune), self.tune.workers
        if self.tune.spark is None:
            return Workers(self.plan, prune, count)
        return SparkWorkers(self.plan, prune, count, self.tune.spark)

    def _next(self, again: list[FrozenTrial], began: float) -> Job | None:
        """The trial to begin now; None where none is to."""
        while again:
            trial = again.pop(0)
            if trial.params.keys() != self.plan.ranges.keys():
                self._put_aside(trial.number, "its process was killed before its values were drawn")
            elif trial.user_attrs.get(_LOST, 0) >= _MOST_LOST:
                self._put_aside(trial.number, f"its process was killed {_MOST_LOST} times")
            else:
                return Job(trial.number, trial.params)
        while not self._is_over(began):
            asked = self.study.ask(distributions(self.plan.ranges))
            same = next((t for t in self.study.trials if t.params == asked.params and t.number != asked.number), None)
            if same is None:
                return Job(asked.number, asked.params)
            self._put_aside(asked.number, f"the same values as trial {same.number}")
        return None

    def _check_the_machine(self, ended: Iterable[tuple[Job, Outcome]]) -> None:
        """End the search where a trial was broken off: what stopped it would stop the others too."""
        for job, outcome in ended:
            if outcome.state == "lost":
                trial = trial_id(self.storage, job.number)
                times = self.storage.get_trial(trial).user_attrs.get(_LOST, 0) + 1
                self.storage.set_trial_user_attr(trial, _LOST, times)
            if outcome.state not in _STATES:
                raise EnvironmentFault(
                    f"trial {job.number} was broken off: {outcome.message}. Call the command again: the search goes on "
                    "with it"
                )

    def _put_aside(self, number: int, why: str) -> None:
        """End a trial that is not to be run; it counts as one, so that a small space is exhausted some time."""
        self.storage.set_trial_user_attr(trial_id(self.storage, number), MESSAGE, why)
        self.study.tell(number, state=TrialState.FAIL)

    def _is_over(self, began: float) -> bool:
        """Whether no further trial may begin."""
        trials = [trial for trial in tried(self.study.trials) if trial.params.keys() == self.plan.ranges.keys()]
        late = self.tune.minutes is not None and time.monotonic() - began > 60 * self.tune.minutes
        ended = sorted((trial for trial in trials if trial.state.is_finished()), key=_end)
        found = scores(ended)
        since_best = next((i for i, t in enumerate(reversed(ended)) if found.get(t.number) == self.best), len(ended))
        stuck = self.tune.patience is not None and since_best >= self.tune.patience
        return late or stuck or len(trials) >= self.tune.trials

    def _tell(self, job: Job, outcome: Outcome) -> None:
        """Keep how a trial ended, say it, and leave no files but those of the best one."""
        trial = trial_id(self.storage, job.number)
        self.storage.set_trial_user_attr(trial, SECONDS, round(outcome.seconds, 3))
        self.storage.set_trial_user_attr(trial, MESSAGE, outcome.message)
        self.study.tell(job.number, outcome.score, _STATES[outcome.state])
        is_best = outcome.score is not None and outcome.score > self.best
        self.best = outcome.score if outcome.score is not None and is_best else self.best
        self.reporter.say("tune", self._line(job, outcome, is_best))
        self._sweep()
        self._check_failures(outcome)

    def _line(self, job: Job, outcome: Outcome, is_best: bool) -> str:
        score = f"{self.plan.measure.name} {self._shown(outcome.score)}" if outcome.score is not None else outcome.state
        why = f" {outcome.message.splitlines()[-1]}" if outcome.message else ""
        mark = "  best so far" if is_best else ""
        settings = "  ".join(overrides(job.values, self.plan.ranges))
        return f"trial {job.number:<3} {score}{why}{mark}   {settings}   {outcome.seconds:.1f} s"

    def _shown(self, score: float) -> str:
        return f"{-score if self.plan.measure.lower_is_better else score:.4f}"

    def _sweep(self) -> None:
        """Remove the folders of all trials but those under way and the best."""
        trials = self.study.trials
        found = scores(trials)
        kept = {
            self.plan.trial_folder(trial.params).name
            for trial in trials
            if trial.state == TrialState.RUNNING or found.get(trial.number) == self.best
        }
        for folder in self.plan.trial_folder({}).parent.glob("[0-9a-f]*"):
            if folder.name not in kept:
                remove_folder(folder)

    def _check_failures(self, outcome: Outcome) -> None:
        """A search whose every trial fails is a mistake in what it was asked, which more trials do not mend."""
        ended = [trial for trial in tried(self.study.trials) if SECONDS in trial.user_attrs]
        if len(ended) == _FAILURES and all(trial.state == TrialState.FAIL for trial in ended):
            raise DataError(f"the first {_FAILURES} trials have all failed; the last one with: {outcome.message}")


def _own_trial(own: Values, score: float, found: dict[str, BaseDistribution]) -> FrozenTrial:
    return create_trial(params=dict(own), distributions=found, value=score, user_attrs={AS_IT_STANDS: True})


def _end(trial: FrozenTrial) -> datetime:
    return trial.datetime_complete or datetime.max
