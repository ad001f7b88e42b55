"""One of the processes that train a stage together: `python -m shortlist.training.launch.process FOLDER`."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from shortlist.core.files import write_json
from shortlist.core.profile import recording
from shortlist.core.progress import Silent
from shortlist.nn.ranks import joined, rank
from shortlist.training.device import choose_device
from shortlist.training.launch.failures import leave_failure
from shortlist.training.launch.relay import Told
from shortlist.training.launch.work import Work

PROGRESS, PROFILE, LOGS = "progress.jsonl", "profile.json", "logs"
_WATCH_SECONDS = 0.5


def take_part(place: Path) -> None:
    """Train the work that lies in `place` with the other processes of which torchrun's variables tell.

    What it fails of is left there, and ends the process.
    """
    _end_with_parent()
    number = int(os.environ["RANK"])
    with _failures_left(place, number):
        work = Work.read(place)
        write_json(place / f"process-{number}.json", {"pid": os.getpid()})
        with joined(choose_device(work.recipe.compute)):
            if rank() > 0:
                work.do(Silent())
                return
            with (place / PROGRESS).open("a", encoding="utf-8") as file, _profiled(place):
                work.do(Told(file))


@contextlib.contextmanager
def _profiled(place: Path) -> Iterator[None]:
    """Leave where the time goes, where a profile is asked for: a GPU has to be waited for to know it."""
    if not (place / PROFILE).exists():
        yield
        return
    with recording() as profile:
        yield
    write_json(place / PROFILE, dict(profile.seconds))


@contextlib.contextmanager
def _failures_left(place: Path, number: int) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        leave_failure(place, number, error)
        # Everything is said: what is raised here would be written once more, by torch and by Spark, with its stack.
        raise SystemExit(1) from error


def _end_with_parent() -> None:
    """A process must not train on, and write, when the one that began it was killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _write_to(log: Path) -> None:
    """Let everything that this process and its libraries write go to a file: the one that waits says what matters."""
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())


def _run(place: Path) -> NoReturn:
    _write_to(place / LOGS / f"{os.environ['RANK']}.log")
    code = 1
    with contextlib.suppress(SystemExit):
        take_part(place)
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: all is written, and threads of libraries that are still about may abort a process whose interpreter ends
    # ("terminate called without an active exception"). What had been trained was then told as lost.
    os._exit(code)


if __name__ == "__main__":
    _run(Path(sys.argv[1]))
