"""Memory that this process may use, and refusing what needs more."""

from __future__ import annotations

import os
from pathlib import Path

from shortlist.core.errors import EnvironmentFault

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's if that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CGROUP_LIMIT.read_text().strip() if _CGROUP_LIMIT.is_file() else "max"
    return min(memory, int(limit)) if limit.isdigit() else memory


def check_memory(needed: int, what: str, remedy: str) -> None:
    """EnvironmentFault where `needed` bytes are more than this process may use."""
    there = machine_memory()
    if needed > there:
        raise EnvironmentFault(
            f"{what} needs {needed / 2**30:,.1f} GiB of memory, this machine has {there / 2**30:,.1f} GiB. {remedy}"
        )
