"""Trials as tasks of a Spark application: what `workers` does with processes of one machine."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from shortlist.cluster.faults import reason, spark_exceptions
from shortlist.cluster.session import spark_application, stop
from shortlist.pipeline.stages import Stage
from shortlist.tuning.plan import Plan
from shortlist.tuning.trial import Outcome, attempt
from shortlist.tuning.workers import Job

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PURPOSE = "`shortlist tune --spark`"
GROUP = "shortlist-tune-"
"""What the Spark job group of a search begins with."""
_STORE = "MLFLOW_"
"""What variables of the environment begin with that say where, and as whom, runs are recorded."""


@dataclass
class SparkWorkers:
    """At most `count` trials at a time on the application at `master`; those under way end with the block.

    A task whose executor is lost is run again by Spark, on another one, and goes on from the trial's last checkpoint.
    """

    plan: Plan
    prune: Stage | None
    count: int
    master: str
    group: str = field(default_factory=lambda: f"{GROUP}{uuid.uuid4().hex[:8]}", init=False)
    """Of the Spark jobs of this search: another search of the same application is none of its business."""
    _started: bool = field(default=False, init=False)
    _session: SparkSession = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _jobs: dict[Future[Outcome], Job] = field(default_factory=dict, init=False)

    def __enter__(self) -> SparkWorkers:
        self._started, self._session = spark_application(self.master, PURPOSE)
        # Spark runs the jobs of one thread one after another.
        self._threads = ThreadPoolExecutor(self.count)
        return self

    def __exit__(self, *error: object) -> None:
        if self._jobs:
            with contextlib.suppress(*spark_exceptions()):
                self._session.sparkContext.cancelJobGroup(self.group)
        self._threads.shutdown()
        if self._started:
            stop(self._session)

    @property
    def at_work(self) -> int:
        """Trials under way."""
        return len(self._jobs)

    @property
    def idle(self) -> bool:
        """Whether one more may run."""
        return self.at_work < self.count

    def give(self, job: Job) -> None:
        """Let Spark run a trial."""
        self._jobs[self._threads.submit(self._outcome, job)] = job

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """The trials that have ended, waited for as long as `seconds`; lost where Spark gave up the task."""
        done, _ = wait(self._jobs, seconds, FIRST_COMPLETED)
        return [(self._jobs.pop(future), future.result()) for future in done]

    def _outcome(self, job: Job) -> Outcome:
        recorded = {name: value for name, value in os.environ.items() if name.startswith(_STORE)}
        task = partial(_attempt, self.plan, self.prune, os.getcwd(), recorded)
        try:
            context = self._session.sparkContext
            context.setJobGroup(self.group, f"trial {job.number}", interruptOnCancel=True)
            outcome: Outcome = context.parallelize([job], 1).map(task).collect()[0]
        except spark_exceptions() as error:
            return Outcome("lost", None, 0.0, f"Spark gave up its task: {reason(error)}")
        return outcome


def _attempt(plan: Plan, prune: Stage | None, folder: str, recorded: Mapping[str, str], job: Job) -> Outcome:
    """Run a trial where the driver would: paths of the recipe, and MLflow's default store, are relative to `folder`."""
    os.chdir(folder)
    os.environ.update(recorded)
    limits: Any = threadpool_limits(plan.threads)
    with limits:
        return attempt(plan, job.number, job.values, prune)
