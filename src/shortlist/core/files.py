"""Files that are whole or absent: written under a temporary name, then renamed; hashed to be checked later."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shortlist.core.errors import EnvironmentFault

_BLOCK = 2**24
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_WHEN_FULL = "Free some space, or choose another place: --runs DIR for a run, --output for lists."
_UNFINISHED = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{8}\.(?P<what>partial|old)")


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A fresh folder to write into; it takes `target`'s place only when the block ends without an error.

    On any error, Ctrl-C included, what was written is removed and an older `target` stays as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    draft.mkdir()
    try:
        with disk_errors(target):
            yield draft
        _replace_folder(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace_folder(draft: Path, target: Path) -> None:
    if not target.exists():
        draft.rename(target)
        return
    old = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.old"
    target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def clear_unfinished(folder: Path) -> None:
    """Remove what killed processes left in `folder`: drafts, and older results whose replacement is complete.

    An older result without its replacement takes its place again. Call it only where nobody else is writing.
    """
    for path in sorted(folder.glob(".*"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        found = _UNFINISHED.fullmatch(path.name)
        if found is None:
            continue
        target = folder / found["target"]
        if found["what"] == "old" and not target.exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder, if it is there, as a whole: a killed process leaves at most what `clear_unfinished` removes."""
    gone = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Give the file `source` a second name, or where the file system has no hard links a copy."""
    try:
        os.link(source, target)
    except OSError:
        copy_with_holes(source, target)


def copy_with_holes(source: Path, target: Path) -> None:
    """Copy a file, reading and writing only the parts of it that have space on the disk."""
    with source.open("rb") as old, target.open("wb") as new:
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        start = 0
        while start < size:
            try:
                start = os.lseek(old.fileno(), start, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return  # There is a hole to the end.
                raise
            end = os.lseek(old.fileno(), start, os.SEEK_HOLE)
            while start < end:
                start += os.pwrite(new.fileno(), os.pread(old.fileno(), min(end - start, _BLOCK), start), start)


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that becomes `target` when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        with disk_errors(target):
            yield draft
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(target: Path, when_full: str = _WHEN_FULL) -> Iterator[None]:
    """Turn a full or read-only disk into one clear error; `when_full` says what to do about a full one."""
    try:
        yield
    except EnvironmentFault:
        # It has been told, and of another disk perhaps.
        raise
    except Exception as error:
        if disk_is_full(error):
            free = shutil.disk_usage(target.parent).free / 2**20
            raise EnvironmentFault(
                f"the disk is full: writing {target} failed with {free:,.0f} MiB left there. "
                f"Nothing half-written was kept. {when_full}"
            ) from error
        if isinstance(error, PermissionError):
            raise EnvironmentFault(f"may not write {target}: {error.strerror}. Choose another place.") from error
        raise


def disk_is_full(error: Exception) -> bool:
    """Whether an error says that the disk is full: Arrow and DuckDB have errors of their own whose text names it."""
    return getattr(error, "errno", None) in _NO_SPACE or "no space left" in str(error).lower()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(value: Any) -> str:
    """A short stable hash of any JSON value: equal values, equal fingerprints, on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_facts(path: Path) -> dict[str, Any]:
    """Name, size and modification time in nanoseconds: enough to notice that a source has changed."""
    stat = path.stat()
    return {"file": str(path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
