"""The parent process replaces workers: at once where one died, with patience where they cannot start."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS

from shortlist.serving import crew as module
from shortlist.serving.crew import Crew
from shortlist.serving.follow import Follower
from shortlist.serving.metrics import FOLDER_VARIABLE
from shortlist.serving.orders import RunFolder


class Worker:
    """Stands for a process, which would take seconds to start."""

    made = 0

    def __init__(self, *_: object) -> None:
        Worker.made += 1
        # Beyond any real process.
        self.pid = 4_194_304 + Worker.made
        self.exitcode: int | None = None

    def start(self) -> None:
        pass

    kill = join = start

    def is_alive(self, timeout: float) -> bool:
        return self.exitcode is None

    def is_ready(self) -> bool:
        return self.exitcode is None


class Clock:
    """Time that passes when told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def crew(folder: RunFolder, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    monkeypatch.setattr(module, "Worker", Worker)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with socket.socket() as taken:
        crew = Crew(uvicorn.Config("none:none", log_config=None), taken, Follower(folder, {}), folder)
        crew.processes = [Worker(), Worker()]  # type: ignore[list-item]
        yield crew
    for number, handler in before.items():
        signal.signal(number, handler)


def second(crew: Crew) -> Worker:
    return cast("Worker", crew.processes[1])


def end(crew: Crew, exitcode: int) -> Worker:
    worker = second(crew)
    worker.exitcode = exitcode
    crew.keep_subprocess_alive()
    return worker


def test_first_workers_that_cannot_start_stop_the_server(crew: Crew) -> None:
    end(crew, STARTUP_FAILURE)
    assert crew.should_exit.is_set()
    assert crew.has_failed


def test_a_replacement_that_cannot_start_stops_nobody(crew: Crew, clock: Clock) -> None:
    crew.keep_subprocess_alive()
    waits = []
    end(crew, -9)
    for _ in range(7):
        failed, begun = end(crew, STARTUP_FAILURE), clock.now
        while second(crew) is failed:
            clock.now += 0.5
            crew.keep_subprocess_alive()
        waits.append(clock.now - begun)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert not crew.should_exit.is_set()
    assert not crew.has_failed
    # Once all are ready, the next that dies is replaced at once.
    crew.keep_subprocess_alive()
    died = end(crew, -9)
    assert second(crew) is not died


def test_nothing_is_left_of_a_worker_that_died(crew: Crew, folder: RunFolder) -> None:
    crew.keep_subprocess_alive()
    report = folder.path / "workers" / f"{second(crew).pid}.json"
    report.parent.mkdir()
    report.write_text('{"generation": 0, "problem": null}')
    end(crew, -9)
    assert not report.exists()
