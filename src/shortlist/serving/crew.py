"""The parent of several worker processes: replaces those that die, and what they leave behind."""

from __future__ import annotations

import logging
import os
import socket
import time

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from shortlist.serving.follow import Follower
from shortlist.serving.metrics import FOLDER_VARIABLE
from shortlist.serving.orders import RunFolder

_LONGEST_WAIT_S = 30

_log = logging.getLogger("shortlist.serving")


class Worker(Process):
    """One worker process, as its parent sees it."""

    def start(self) -> None:
        """Start it. Its end of the pipe is its own from then on, so that asking one that dies ends with it."""
        super().start()
        self.child_conn.close()


class Crew(Multiprocess):
    """Worker processes that share a socket, and the folder that PROMETHEUS_MULTIPROC_DIR names for their counters."""

    def __init__(self, config: uvicorn.Config, taken: socket.socket, follower: Follower, folder: RunFolder) -> None:
        super().__init__(config, sockets=[taken])
        self.has_failed = False
        """Whether it stopped because its first workers cannot start."""
        self._follower = follower
        self._folder = folder
        self._has_been_whole = False
        self._gone: set[Process] = set()
        self._rounds = 0
        """How often workers have been replaced since all were ready."""
        self._replace_at = 0.0

    def init_processes(self) -> None:
        """Start the first workers."""
        self.processes.extend(self._started() for _ in range(self.processes_num))

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died or hang; nothing that they held counts any longer as held.

        Those that cannot start when the server does stop it. Later on the others answer, and it is tried again after
        1, 2, 4, ... 30 s: what is in the way, such as a full disk or a bundle that was replaced, may go away.
        """
        for process in self.processes:
            if self.should_exit.is_set():
                return
            if process not in self._gone and not process.is_alive(self.config.timeout_worker_healthcheck):
                self._bury(process)
        if self._gone:
            if time.monotonic() >= self._replace_at:
                self._replace()
        elif all(process.is_ready() for process in self.processes):
            self._has_been_whole, self._rounds = True, 0

    def handle_hup(self) -> None:
        """Have every worker load the bundle anew: none of them is replaced, and none stops answering."""
        self._follower.ask()

    def _bury(self, process: Process) -> None:
        process.kill()
        process.join()
        assert process.pid is not None
        mark_process_dead(process.pid, os.environ[FOLDER_VARIABLE])  # type: ignore[no-untyped-call]
        self._folder.forget(process.pid)
        if process.exitcode == STARTUP_FAILURE and not self._has_been_whole:
            self.has_failed = True
            self.should_exit.set()
            return
        wait_s = min(2 ** (self._rounds - 1), _LONGEST_WAIT_S) if self._rounds else 0
        self._replace_at = time.monotonic() + wait_s
        self._gone.add(process)
        ended = "could not start" if process.exitcode == STARTUP_FAILURE else f"ended with {process.exitcode}"
        _log.warning("worker process %d %s and is replaced in %d s", process.pid, ended, wait_s)

    def _replace(self) -> None:
        self._rounds += 1
        for place, process in enumerate(self.processes):
            if process in self._gone:
                self.processes[place] = self._started()
        self._gone.clear()

    def _started(self) -> Worker:
        worker = Worker(self.config, self.sockets)
        worker.start()
        return worker
