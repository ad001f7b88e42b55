"""Where lists go: a folder that every host sees, or an address of an object store. A file is there whole or not."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow.parquet as pq

from shortlist.core.addresses import file_system
from shortlist.core.files import read_json, write_json

Result = TypeVar("Result")


class Folder(Protocol):
    """A place for files."""

    def names(self) -> set[str]:
        """Files that are there whole; the folder is made if it is not there."""

    def read(self, name: str) -> Any:
        """The JSON of a file; None if there is no such file."""

    def write(self, name: str, value: Any) -> None:
        """Write a value as JSON."""

    def put(self, name: str, write: Callable[[Path], Result]) -> Result:
        """Have `write` make the file at the path that it is given; returns what it returns."""

    def fetch(self, name: str, path: Path) -> None:
        """Copy a file to a path of this machine."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def rows(self, name: str) -> int:
        """Of a Parquet file, as its foot says."""


def open_folder(address: str, setting: str) -> Folder:
    """The folder at a path or an address; `setting` is what names it."""
    return AddressedFolder(address, setting) if "://" in address else SharedFolder(Path(address))


class SharedFolder:
    """A path of a file system that every host has mounted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> set[str]:
        """What another process is writing has a name that begins with a dot."""
        self.path.mkdir(parents=True, exist_ok=True)
        return {entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")}

    def read(self, name: str) -> Any:
        """The JSON of a file."""
        path = self.path / name
        return read_json(path) if path.is_file() else None

    def write(self, name: str, value: Any) -> None:
        """Whole or not at all."""
        write_json(self.path / name, value)

    def put(self, name: str, write: Callable[[Path], Result]) -> Result:
        """In place: `write` makes it whole or not at all."""
        return write(self.path / name)

    def fetch(self, name: str, path: Path) -> None:
        """Copy a file."""
        shutil.copyfile(self.path / name, path)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.path / name).unlink(missing_ok=True)

    def rows(self, name: str) -> int:
        """Of a Parquet file."""
        return int(pq.read_metadata(self.path / name).num_rows)


class AddressedFolder:
    """A folder on a file system that fsspec knows."""

    def __init__(self, address: str, setting: str) -> None:
        self._files, self._folder = file_system(address.rstrip("/"), setting)

    def names(self) -> set[str]:
        """What another process is writing has a name that begins with a dot."""
        self._make()
        self._files.invalidate_cache()
        try:
            found = self._files.ls(self._folder, detail=False)
        except FileNotFoundError:
            return set()
        names = {path.rstrip("/").rpartition("/")[2] for path in found}
        return {name for name in names if not name.startswith(".")}

    def read(self, name: str) -> Any:
        """The JSON of a file."""
        try:
            return json.loads(self._files.cat_file(self._at(name)))
        except FileNotFoundError:
            return None

    def write(self, name: str, value: Any) -> None:
        """By way of a file here."""
        self.put(name, lambda path: write_json(path, value))

    def put(self, name: str, write: Callable[[Path], Result]) -> Result:
        """Made here, uploaded under another name, then renamed: not every kind of place takes a file at once."""
        with tempfile.TemporaryDirectory(prefix="shortlist-") as here:
            result = write(Path(here) / name)
            draft = self._at(f".{name}.{uuid.uuid4().hex[:8]}.partial")
            self._files.put_file(str(Path(here) / name), draft)
            self._files.mv(draft, self._at(name))
        return result

    def fetch(self, name: str, path: Path) -> None:
        """Download a file."""
        self._files.get_file(self._at(name), str(path))

    def remove(self, name: str) -> None:
        """Remove a file."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._at(name))

    def rows(self, name: str) -> int:
        """Of a Parquet file."""
        with self._files.open(self._at(name)) as file:
            return int(pq.read_metadata(file).num_rows)

    def _make(self) -> None:
        # A path without a root begins with a bucket, which has no folders and is not made in passing.
        if self._folder.startswith("/"):
            self._files.makedirs(self._folder, exist_ok=True)

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}"
