"""How many threads the work takes."""

from __future__ import annotations

import os


def cpu_threads(asked: int | None) -> int:
    """As many as were asked for; else one for each CPU that this process may use, which may be fewer than there are."""
    if asked is not None:
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
