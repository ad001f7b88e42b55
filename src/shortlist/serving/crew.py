"""The parent of several worker processes: replaces those that die, and what they leave behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import Multiprocess

from shortlist.serving.metrics import FOLDER_VARIABLE


class Crew(Multiprocess):
    """Worker processes that share a socket, and a folder for their counters."""

    def __init__(self, config: uvicorn.Config, taken: socket.socket, folder: Path) -> None:
        super().__init__(config, sockets=[taken])
        self.counters = folder / "metrics"
        self.counters.mkdir()
        # Before a worker starts: which kind of counter there is is settled when prometheus_client is imported.
        os.environ[FOLDER_VARIABLE] = str(self.counters)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died or hang; nothing that they held counts any longer as held."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid, str(self.counters))  # type: ignore[no-untyped-call]
