"""Processes that run trials: each fresh, with its part of the cores, ended with the one that started them."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from threadpoolctl import threadpool_limits

from shortlist.pipeline.stages import Stage
from shortlist.tuning.plan import Plan
from shortlist.tuning.space import Values
from shortlist.tuning.trial import Outcome, attempt


@dataclass(frozen=True)
class Job:
    """A trial to be run."""

    number: int
    values: Values


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: Job | None = None


@dataclass
class Workers:
    """As many processes as `count`; they live as long as the block."""

    plan: Plan
    prune: Stage | None
    count: int
    _workers: list[_Worker] = field(default_factory=list, init=False)

    def __enter__(self) -> Workers:
        # Spawned, not forked: threads of torch and DuckDB do not survive a fork.
        context = get_context("spawn")
        for _ in range(self.count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self.plan, self.prune), daemon=True)
            process.start()
            theirs.close()
            self._workers.append(_Worker(process, ours))
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.connection.close()
            if worker.job is not None:
                worker.process.kill()
            worker.process.join()

    @property
    def at_work(self) -> int:
        """Trials under way."""
        return sum(worker.job is not None for worker in self._workers)

    @property
    def idle(self) -> bool:
        """Whether one of them has nothing to do."""
        return self.at_work < self.count

    def give(self, job: Job) -> None:
        """Let one that is idle run a trial."""
        worker = next(worker for worker in self._workers if worker.job is None)
        worker.job = job
        worker.connection.send(job)

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """The trials that have ended, waited for as long as `seconds`; lost where the worker was killed."""
        found = []
        ready = wait([worker.connection for worker in self._workers if worker.job], seconds)
        for worker in self._workers:
            if worker.job and worker.connection in ready:
                found.append((worker.job, _outcome(worker)))
                worker.job = None
        return found


def _outcome(worker: _Worker) -> Outcome:
    try:
        outcome: Outcome = worker.connection.recv()
    except EOFError:
        worker.process.join()
        code = worker.process.exitcode
        why = f"its process ended with code {code}: often for want of memory, of which fewer workers need less"
        return Outcome("lost", None, 0.0, why)
    return outcome


def _serve(connection: Connection, plan: Plan, prune: Stage | None) -> None:
    """The life of a worker."""
    # Ctrl-C goes to all processes of a terminal: the one that started the workers ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threadpool_limits(plan.threads)
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        connection.send(attempt(plan, job.number, job.values, prune))


def _end_with_parent() -> None:
    """However the process ends that started this one, a killed one among them, this one ends too."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
