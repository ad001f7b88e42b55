"""The parent of several worker processes: replaces those that die, and what they leave behind."""

from __future__ import annotations

import os
import socket

import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import Multiprocess

from shortlist.serving.follow import Follower
from shortlist.serving.metrics import FOLDER_VARIABLE


class Crew(Multiprocess):
    """Worker processes that share a socket, and the folder that PROMETHEUS_MULTIPROC_DIR names for their counters."""

    def __init__(self, config: uvicorn.Config, taken: socket.socket, follower: Follower) -> None:
        super().__init__(config, sockets=[taken])
        self._follower = follower

    def keep_subprocess_alive(self) -> None:
        """Replace workers that died or hang; nothing that they held counts any longer as held."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid, os.environ[FOLDER_VARIABLE])  # type: ignore[no-untyped-call]

    def handle_hup(self) -> None:
        """Have every worker load the bundle anew: none of them is replaced, and none stops answering."""
        self._follower.ask()
