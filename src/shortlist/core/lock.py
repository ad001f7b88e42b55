"""One process at a time in a folder, or after another at a file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from shortlist.core.errors import EnvironmentFault

_NO_LOCKS = {errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK}
"""What a file system says that knows no locks, as some object stores that are mounted as folders."""


@contextlib.contextmanager
def only_one(folder: Path, instead: str = "--runs DIR") -> Iterator[None]:
    """Hold `folder`, which is made if it is not there, until the block ends; EnvironmentFault if somebody holds it.

    `instead` is the option that names another place.

    The lock is the operating system's on the file `.lock`: it ends with the process, however that ends, and nothing is
    left to be removed by hand.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Read and written, and never emptied before the lock is had: who holds it stands in it.
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentFault(_held_text(folder, file, instead)) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        _write(file, {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        try:
            yield
        finally:
            _write(file, None)


@contextlib.contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made if it is not there; wait for whoever holds it before."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


def _write(file: TextIO, holder: dict[str, str | float] | None) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(holder) if holder else "")
    file.flush()


def _held_text(folder: Path, file: TextIO, instead: str) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
        who = f"process {holder['pid']} on {holder['host']} has been at work in it since {since}"
    except (ValueError, KeyError, TypeError):
        who = "another process has just begun to work in it"
    return (
        f"{folder} is in use: {who}, and two at once would mix their results. "
        f"Wait for it, end it, or use another place with {instead}."
    )
