"""Where a stage is trained: in this process, or in those that the recipe asks for."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Protocol

from shortlist.core.files import read_json, remove_folder, write_json
from shortlist.core.profile import is_recording, record
from shortlist.core.progress import Reporter
from shortlist.training.launch import outer
from shortlist.training.launch.failures import reserve_failures
from shortlist.training.launch.process import PROFILE, PROGRESS
from shortlist.training.launch.relay import Retold
from shortlist.training.launch.spark import OnSpark
from shortlist.training.launch.torchrun import Here
from shortlist.training.launch.work import Work

_JOB = "job"
_POLL_SECONDS = 0.1


def train(work: Work, reporter: Reporter) -> None:
    """Train a stage and leave its weights in the work's folder."""
    compute, place = work.recipe.compute, _place(work.checkpoints)
    if outer.is_outer():
        work.write(place)
        outer.lead(work, place, reporter)
        return
    if compute.processes == 1 and compute.launcher == "torchrun":
        work.do(reporter)
        return
    work.write(place)
    reserve_failures(place, compute.processes)
    job = OnSpark(place, compute) if compute.launcher == "spark" else Here(place, compute)
    if is_recording():
        write_json(place / PROFILE, {})
    _told_meanwhile(place, reporter, job)
    if is_recording():
        for name, seconds in read_json(place / PROFILE).items():
            record(name, seconds)


def _place(checkpoints: Path) -> Path:
    """A folder of this job alone; those of earlier ones are removed as far as they can be.

    By a name that was there before, other hosts may for some seconds still see the earlier folder, and a shared file
    system keeps a folder whose files some process holds open.
    """
    for earlier in checkpoints.glob(f"{_JOB}-*"):
        remove_folder(earlier)
    return (checkpoints / f"{_JOB}-{uuid.uuid4().hex[:8]}").absolute()


class _Job(Protocol):
    """Processes that train."""

    def run(self) -> None:
        """Until they have trained; what one of them fails of is raised."""

    def stop(self) -> None:
        """End them."""


def _told_meanwhile(place: Path, reporter: Reporter, job: _Job) -> None:
    """Run the job in the background, and report here what its first process says; on any error stop it.

    So Ctrl-C, and whoever ends a training after an epoch, is heard by the thread that waits.
    """
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            job.run()
        except BaseException as error:
            failures.append(error)

    thread, told = threading.Thread(target=guarded, name="launch", daemon=True), Retold(place / PROGRESS, reporter)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            told.catch_up()
        told.catch_up()
    finally:
        told.close()
        while thread.is_alive():
            job.stop()
            thread.join(_POLL_SECONDS)
    if failures:
        raise failures[0]
