"""A bounded folder of files that were fetched from elsewhere; processes may share it.

A file is called after its content, so that nothing in the folder is ever out of date. It appears whole or not at all;
what was used longest ago makes room. One process fetches a file while the others wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from shortlist.core.files import disk_errors

CACHE = "SHORTLIST_CACHE"
"""Environment variable that names another folder for what is fetched."""
_PARTIAL = ".partial"
_WHEN_FULL = f"Free some space, choose another folder with {CACHE}, or set a smaller compute.cache_gib."


def default_folder() -> Path:
    """`$SHORTLIST_CACHE`, or `shortlist` among the user's caches."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(CACHE) or caches / "shortlist") / "shards"


class ShardCache:
    """Files of at most `limit` bytes together, those in the making included."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def get(self, key: str, size: int, fetch: Callable[[Path], None]) -> Path:
        """The file `key` of `size` bytes; `fetch` writes it to the path that it is given, where it is not here yet."""
        path = self.folder / key
        if _used(path, size):
            return path
        self.folder.mkdir(parents=True, exist_ok=True)
        with disk_errors(path, _WHEN_FULL), _claimed(self.folder / f"{key}.{size}{_PARTIAL}") as partial:
            # Another process may have fetched it while this one waited for its turn.
            if not _used(path, size):
                self._make_room(size, partial)
                fetch(partial)
                _to_disk(partial)
                with self._alone():
                    partial.replace(path)
        return path

    def _make_room(self, size: int, claimed: Path) -> None:
        """Remove what was used longest ago until `size` more bytes fit. A file that is mapped stays readable.

        What others are fetching counts with the size that it will have; what a killed process left is removed.
        """
        with self._alone():
            others = [path for path in self.folder.glob("[!.]*") if path != claimed]
            coming = [path for path in others if path.suffix == _PARTIAL and not _given_up(path)]
            found = [(path, _stat(path)) for path in others if path.suffix != _PARTIAL]
            files = sorted((stat.st_mtime_ns, stat.st_size, path) for path, stat in found if stat is not None)
            used = size + sum(map(_size_to_be, coming)) + sum(file_size for _, file_size, _ in files)
            for _, file_size, path in files:
                if used <= self.limit:
                    break
                path.unlink(missing_ok=True)
                used -= file_size

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else count, or finish a file, meanwhile."""
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _used(path: Path, size: int) -> bool:
    """Whether the file is here, whole; if so it counts as used just now."""
    stat = _stat(path)
    if stat is None or stat.st_size != size:
        return False
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)
        return True
    return False


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _claimed(partial: Path) -> Iterator[Path]:
    """Hold a file that is being made, and remove it if it is not finished. What a killed process left is taken over."""
    while True:
        with partial.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_still(partial, file):
                # Whoever held it before has finished it, or given it up.
                continue
            try:
                yield partial
            finally:
                partial.unlink(missing_ok=True)
            return


def _given_up(partial: Path) -> bool:
    """Whether nobody is making this file any more; it is then removed."""
    try:
        with partial.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(partial, file):
                partial.unlink()
                return True
            return False
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False


def _is_still(path: Path, file: IO[Any]) -> bool:
    """Whether an open file has this path, rather than having been renamed or replaced since."""
    stat = _stat(path)
    return stat is not None and stat.st_ino == os.fstat(file.fileno()).st_ino


def _size_to_be(partial: Path) -> int:
    """The size of the finished file, which the name `KEY.SIZE.partial` says."""
    return int(partial.name.split(".")[-2])


def _to_disk(path: Path) -> None:
    """Let no crash of the machine leave a file of the right size with nothing in it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
