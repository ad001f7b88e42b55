"""Memory that a process holds while it works: what only it can have (anonymous), and pages of files (file)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

from benchmarks.harness import memory, peak_memory, reset_peak_memory

INTERVAL_S = 0.01


def resident() -> dict[str, int]:
    """Bytes of this process now: anonymous memory, and pages of mapped files, which the kernel may drop."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    kinds = {"anonymous": "RssAnon", "file": "RssFile"}
    return {kind: int(status[name].split()[0]) * 1024 for kind, name in kinds.items()}


class Watched:
    """The most memory that this process holds within a block. The kernel counts all of it, a thread looks at its kinds.

    with Watched() as held:
        ...
    held.facts()
    """

    def __init__(self) -> None:
        self.before = 0
        self.most: dict[str, int] = {}
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def facts(self) -> dict[str, int]:
        """Bytes before the block, at its peak, and of each kind at that kind's own peak."""
        return {"before": self.before, "peak": max(self._peak, self.before), **self.most}

    def _look(self) -> None:
        while not self._over.wait(INTERVAL_S):
            self._note()

    def _note(self) -> None:
        self.most = {kind: max(size, self.most.get(kind, 0)) for kind, size in resident().items()}

    def __enter__(self) -> Self:
        reset_peak_memory()
        self.before = memory()
        self._note()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._note()
        self._peak = peak_memory()
