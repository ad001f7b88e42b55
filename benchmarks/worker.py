"""The worker's side of a measurement: a process that stays loaded and does what each line of JSON asks for.

Of the standard library alone, as it runs in every peer's environment. Answers go to a pipe of their own, and whatever a
framework prints to the log.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

Answer = Callable[..., Mapping[str, Any]]
ANSWERS = "SHORTLIST_BENCHMARK_ANSWERS"
"""Variable with the number of the file that answers are written to."""


def serve(open_worker: Callable[[dict[str, Any]], Mapping[str, Answer]], packages: Sequence[str] = ()) -> None:
    """Answer until standard input ends, on one core where the system can do that.

    `open_worker` gets the settings of the first line, loads what it needs and returns what can be done by name:
    `{"do": "train", "batches": 20}` calls `train(batches=20)`. Every worker can say its `memory` and the `versions` of
    `packages`.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    answers = os.fdopen(int(os.environ[ANSWERS]), "w", encoding="utf-8", buffering=1)
    # Unlike standard output to a file, it is written at once, and so not lost when the worker is ended.
    sys.stdout = sys.stderr

    def answer(values: Mapping[str, Any]) -> None:
        answers.write(json.dumps(dict(values)) + "\n")

    try:
        can: dict[str, Answer] = {
            "memory": memory,
            "versions": lambda: {name: metadata.version(name) for name in packages},
            **open_worker(json.loads(sys.stdin.readline())),
        }
        answer({"ready": True})
        for line in sys.stdin:
            asked = json.loads(line)
            answer(can[asked.pop("do")](**asked))
    except Exception as error:
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)


def cpu_seconds() -> float:
    """User and system time of this process, all its threads, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def memory() -> dict[str, int]:
    """Bytes that this process held at most since it began, and that it holds now."""
    status = Path("/proc/self/status").read_text()
    found = dict(line.split(":", 1) for line in status.splitlines())
    return {"peak": int(found["VmHWM"].split()[0]) * 1024, "now": int(found["VmRSS"].split()[0]) * 1024}
