"""A server under measurement: a process of its own on cores of its own, and what its workers hold of memory."""

from __future__ import annotations

import http
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from benchmarks.harness import ONE_THREAD, useful_line
from benchmarks.load import Target

HOST = "127.0.0.1"
_START_S = 300.0
_STOP_S = 30.0


def cores() -> tuple[int, int]:
    """One core for the load and one for the server; the same one where there is no other."""
    if not hasattr(os, "sched_getaffinity"):
        return 0, 0
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


class ServerError(Exception):
    """A server ended, or never answered, with the first useful line of why."""


class Served:
    """A command that listens on a port. As a context manager it is stopped with the block."""

    def __init__(
        self, command: Sequence[str], target: Target, log: Path, ready: str, cores: Sequence[int] | None
    ) -> None:
        """Start the command and wait until GET `ready` is answered 200; `cores` are those that it may run on."""
        self.target = target
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=_environment(target),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if cores is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, set(cores))
        try:
            self._wait(ready)
        except BaseException:
            self.close()
            raise

    def _wait(self, ready: str) -> None:
        give_up = time.monotonic() + _START_S
        while time.monotonic() < give_up:
            if self.process.poll() is not None:
                raise ServerError(useful_line(self.log.read_text(errors="replace")))
            if ask(self.target, "GET", ready)[0] == http.HTTPStatus.OK:
                return
            time.sleep(0.1)
        raise ServerError(f"no answer from {ready} within {_START_S:g} seconds")

    def workers(self) -> list[int]:
        """The processes that answer: the command's own, or the children that run its code."""
        children = [pid for pid in children_of(self.process.pid) if "resource_tracker" not in _command(pid)]
        return children or [self.process.pid]

    def close(self) -> None:
        """Stop it and all that it started."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(
    bundle: Path,
    log: Path,
    *,
    workers: int = 1,
    cores: Sequence[int] | None = None,
    key: str | None = None,
    state: str | None = None,
) -> Served:
    """`shortlist serve BUNDLE`, which asks for the API key where one is given, and by default keeps its state."""
    target = Target(HOST, free_port(), key)
    command = [sys.executable, "-m", "shortlist.cli", "serve", str(bundle), "--port", str(target.port)]
    command += [] if state is None else ["--state", state]
    served = Served([*command, "--workers", str(workers)], target, log, "/health/ready", cores)
    try:
        _wait_for_all(served, workers)
    except BaseException:
        served.close()
        raise
    return served


def _wait_for_all(served: Served, workers: int) -> None:
    """Until every worker has loaded the bundle: the first one that has answers for all that the server is ready."""
    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up:
        _, told = ask(served.target, "GET", "/metrics")
        loaded = [line for line in told.decode().splitlines() if line.startswith("shortlist_bundle_info")]
        if loaded and float(loaded[0].rpartition(" ")[2]) == workers:
            return
        time.sleep(0.1)
    raise ServerError(f"fewer than {workers} workers had loaded the bundle within {_START_S:g} seconds")


def _environment(target: Target) -> dict[str, str]:
    """One thread, the server's key, and on the path what is installed beside this Python, as MLflow starts uvicorn."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    key = {} if target.key is None else {"SHORTLIST_API_KEY": target.key}
    return {**os.environ, **ONE_THREAD, "PATH": beside, **key}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def ask(target: Target, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of the answer, on a connection of its own; 0 where nothing answers."""
    headers = {**target.headers, **({} if body is None else {"Content-Type": "application/json"})}
    with closing(http.client.HTTPConnection(target.host, target.port, timeout=60)) as connection:
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""


def children_of(pid: int) -> list[int]:
    """Direct children of a process, whichever of its threads began them."""
    of_threads = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted(int(text) for children in of_threads for text in children.read_text().split())


def proportional_memory(pid: int) -> int:
    """Bytes of a process, of each shared page its part (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{pid}/smaps_rollup has no Pss")


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
