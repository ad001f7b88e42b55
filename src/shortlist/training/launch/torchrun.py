"""Processes of this machine, begun and watched by torchrun's own agent."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from shortlist.core.errors import EnvironmentFault
from shortlist.core.files import read_json
from shortlist.recipe.sections import Compute
from shortlist.training.launch.failures import GO_ON, ProcessFailure, first_failure
from shortlist.training.launch.process import LOGS

_MODULE = "shortlist.training.launch.process"
_LAST_LINES = 20


class Here:
    """The work that lies in `place`, in processes of this machine."""

    def __init__(self, place: Path, compute: Compute) -> None:
        self.place = place
        self.processes = compute.processes

    def run(self) -> None:
        """Train in as many processes as the recipe says; what one of them fails of is raised."""
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=self.processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=str(self.place / LOGS)),
        )
        try:
            with _quiet():
                elastic_launch(config, sys.executable)("-m", _MODULE, str(self.place))
        except ChildFailedError as failed:
            raise _cause(self.place, failed, self.processes) from failed

    def stop(self) -> None:
        """End the processes."""
        for path in self.place.glob("process-*.json"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(read_json(path)["pid"], signal.SIGTERM)


def _cause(place: Path, failed: ChildFailedError, processes: int) -> Exception:
    """A process that was killed leaves nothing; the others fail a moment later because it is gone."""
    for rank, failure in failed.failures.items():
        if failure.exitcode < 0 and -failure.exitcode != signal.SIGTERM:
            name = signal.Signals(-failure.exitcode).name
            return EnvironmentFault(
                f"process {rank + 1} of {processes} was ended by {name}: by somebody, or because the memory ran out. "
                f"{GO_ON}"
            )
    left = first_failure(place)
    if left is not None:
        return left
    logs = sorted((place / LOGS).glob("*.log"))
    last = [line for path in logs for line in path.read_text(errors="replace").splitlines()[-_LAST_LINES:]]
    return ProcessFailure("\n".join(["a process that trains ended without a word; the last lines of all:", *last]))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The agent's own log, which says again what is raised."""
    logger = logging.getLogger("torch.distributed.elastic")
    propagates, nothing = logger.propagate, logging.NullHandler()
    logger.propagate = False
    logger.addHandler(nothing)
    try:
        yield
    finally:
        logger.removeHandler(nothing)
        logger.propagate = propagates
