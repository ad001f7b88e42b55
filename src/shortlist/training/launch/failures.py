"""What a process failed of: left by it in a file, and raised again where the work was begun."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shortlist.core.errors import BundleError, DataError, EnvironmentFault, ShortlistError, UserError
from shortlist.core.files import disk_errors, disk_is_full, read_json
from shortlist.nn.ranks import RankLost

_KINDS = {kind.exit_code: kind for kind in (UserError, DataError, BundleError, EnvironmentFault)}
UNSEEN = "#shortlist-failure:"
"""Stands before a failure in what a process writes, where it does not see the folder that it should leave it in."""
GO_ON = "The newest checkpoint is kept: run the same command again to go on from it, with as many processes or others."


_RESERVED, _LONGEST_TRACEBACK = 16_384, 12_000
"""Bytes of a failure's file, and characters of a traceback, whose end is kept: what is escaped fits too."""


class ProcessFailure(Exception):
    """A process that trains failed of something that no user can put right, with its traceback."""


def reserve_failures(place: Path, processes: int) -> None:
    """Take the space that the failures of so many processes need: what they fail of may be that the disk is full."""
    with disk_errors(place):
        for rank in range(processes):
            _file(place, rank).write_bytes(b" " * _RESERVED)


def leave_failure(place: Path, rank: int, error: BaseException) -> None:
    """Write down what a process failed of; to standard error where the folder cannot be seen, or written."""
    text = json.dumps(failure_to_json(rank, error))
    try:
        _write_over(_file(place, rank), text.encode())
    except OSError:
        sys.stderr.write(f"{UNSEEN}{text}\n")


def _file(place: Path, rank: int) -> Path:
    return place / f"failure-{rank}.json"


def _write_over(path: Path, content: bytes) -> None:
    """Write into the blocks that the file has; what it had beyond stays, as white space that JSON allows."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        while content:
            content = content[os.write(file, content) :]
    finally:
        os.close(file)


def failure_to_json(rank: int, error: BaseException) -> dict[str, Any]:
    """What is to be known of an error elsewhere."""
    return {
        "rank": rank,
        "when": time.time(),
        "exit_code": error.exit_code if isinstance(error, ShortlistError) else None,
        "lost": isinstance(error, RankLost),
        "memory": isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError",
        "full": isinstance(error, OSError) and disk_is_full(error),
        "message": str(error) if isinstance(error, ShortlistError) else f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:],
    }


def first_failure(place: Path) -> Exception | None:
    """The error of which the work failed, where a process has left one: the others fail only because it is gone."""
    found = list(_left(place))
    return failure_from_json(min(found, key=_importance)) if found else None


def _left(place: Path) -> Iterator[dict[str, Any]]:
    for path in place.glob("failure-*.json"):
        # One that nobody needed is blank, and a process may have been ended while it wrote.
        with contextlib.suppress(json.JSONDecodeError):
            yield read_json(path)


def failure_from_json(found: dict[str, Any]) -> Exception:
    """The error again: a user's mistake is one here too."""
    process, message = f"process {found['rank'] + 1}", found["message"]
    if found["memory"]:
        return MemoryError(f"{process}: {message}")
    if found["full"]:
        return EnvironmentFault(f"{process}: the disk is full: {message}. Free some space. {GO_ON}")
    if found["lost"]:
        return EnvironmentFault(
            f"{process}: {message}. One that was killed, or whose host has gone, leaves no word of its own. {GO_ON}"
        )
    kind = _KINDS.get(found["exit_code"])
    return kind(message) if kind else ProcessFailure(f"{process}: {message}\n{found['traceback']}")


def _importance(found: dict[str, Any]) -> tuple[bool, bool, float]:
    """Clocks of hosts may differ; what Shortlist itself says is no consequence of another's end."""
    return found["lost"], found["exit_code"] is None, found["when"]
