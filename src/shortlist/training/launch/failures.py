"""What a process failed of: left by it in a file, and raised again where the work was begun."""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from shortlist.core.errors import BundleError, DataError, EnvironmentFault, ShortlistError, UserError
from shortlist.core.files import read_json, write_json
from shortlist.nn.ranks import RankLost

_KINDS = {kind.exit_code: kind for kind in (UserError, DataError, BundleError, EnvironmentFault)}
UNSEEN = "#shortlist-failure:"
"""Stands before a failure in what a process writes, where it does not see the folder that it should leave it in."""
GO_ON = "The newest checkpoint is kept: run the same command again to go on from it, with as many processes or others."


class ProcessFailure(Exception):
    """A process that trains failed of something that no user can put right, with its traceback."""


def leave_failure(place: Path, rank: int, error: BaseException) -> None:
    """Write down what a process failed of; to standard error where the folder cannot be seen."""
    found = failure_to_json(rank, error)
    if place.is_dir():
        write_json(place / f"failure-{rank}.json", found)
    else:
        sys.stderr.write(f"{UNSEEN}{json.dumps(found)}\n")


def failure_to_json(rank: int, error: BaseException) -> dict[str, Any]:
    """What is to be known of an error elsewhere."""
    return {
        "rank": rank,
        "when": time.time(),
        "exit_code": error.exit_code if isinstance(error, ShortlistError) else None,
        "lost": isinstance(error, RankLost),
        "memory": isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError",
        "message": str(error) if isinstance(error, ShortlistError) else f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }


def first_failure(place: Path) -> Exception | None:
    """The error of which the work failed, where a process has left one: the others fail only because it is gone."""
    found = [read_json(path) for path in place.glob("failure-*.json")]
    return failure_from_json(min(found, key=_importance)) if found else None


def failure_from_json(found: dict[str, Any]) -> Exception:
    """The error again: a user's mistake is one here too."""
    process, message = f"process {found['rank'] + 1}", found["message"]
    if found["memory"]:
        return MemoryError(f"{process}: {message}")
    if found["lost"]:
        return EnvironmentFault(
            f"{process}: {message}. One that was killed, or whose host has gone, leaves no word of its own. {GO_ON}"
        )
    kind = _KINDS.get(found["exit_code"])
    return kind(message) if kind else ProcessFailure(f"{process}: {message}\n{found['traceback']}")


def _importance(found: dict[str, Any]) -> tuple[bool, bool, float]:
    """Clocks of hosts may differ; what Shortlist itself says is no consequence of another's end."""
    return found["lost"], found["exit_code"] is None, found["when"]
