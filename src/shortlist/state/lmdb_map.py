"""An LMDB environment whose map grows as its data do, in this process and in all that share the folder.

LMDB maps its file into memory, and a write that does not fit fails with MapFullError. The map may be made larger, but
only while this process has no transaction open; processes with the smaller map then fail with MapResizedError when
they begin one, and must take the new size over, again without a transaction open. So transactions are counted, and
whoever changes the size waits for those of the other threads to end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from shortlist.state.base import StateFault

FIRST_MAP = 2**30
"""Bytes of the map to begin with. They are addresses, not memory and not disk: the file grows by what is written."""
_MOST_READERS = 1024
_PATIENCE_S = 30
"""How long a map that must grow waits for a snapshot of the same process to end."""

Result = TypeVar("Result")


class LmdbMap:
    """Transactions on the databases of one folder."""

    def __init__(self, folder: Path, databases: tuple[str, ...], first_map: int = FIRST_MAP) -> None:
        """Raises StateFault when the folder cannot be used."""
        self.folder = folder
        self._open = 0
        self._resizing = False
        self._changed = threading.Condition()
        with self._faults():
            self._env = lmdb.open(
                str(folder), map_size=first_map, max_dbs=len(databases), max_readers=_MOST_READERS, mode=0o640
            )
            # A reader that was killed keeps its place, and with it every page that has been replaced since.
            self._env.reader_check()
            self.databases = {name: self._database(name.encode()) for name in databases}

    @contextmanager
    def read(self) -> Iterator[lmdb.Transaction[bytes]]:
        """A read transaction: all as it is now, whatever is written meanwhile."""
        with self._faults():
            self._enter()
            try:
                try:
                    transaction: lmdb.Transaction[bytes] = self._env.begin()
                except lmdb.MapResizedError:
                    transaction = self._adopted()
                with transaction:
                    yield transaction
            finally:
                self._leave()

    def write(self, work: Callable[[lmdb.Transaction[bytes]], Result]) -> Result:
        """Do `work` in one transaction, again from the start where the map was too small; durable when it returns."""
        with self._faults():
            while True:
                try:
                    return self._written(work)
                except lmdb.MapFullError:
                    self._resize(2 * int(self._env.info()["map_size"]))
                except lmdb.MapResizedError:
                    self._resize(0)

    def close(self) -> None:
        """Close the environment once its transactions have ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._open == 0, _PATIENCE_S)
            self._env.close()

    def _written(self, work: Callable[[lmdb.Transaction[bytes]], Result]) -> Result:
        self._enter()
        try:
            with self._env.begin(write=True) as transaction:
                return work(transaction)
        finally:
            self._leave()

    def _database(self, name: bytes) -> Any:
        """Opening one begins a transaction, too: another process may have made the map larger before it."""
        try:
            return self._env.open_db(name)
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
            return self._env.open_db(name)

    def _adopted(self) -> lmdb.Transaction[bytes]:
        """A read transaction on the map that another process has made larger."""
        while True:
            self._leave()
            try:
                self._resize(0)
            finally:
                self._enter()
            try:
                return self._env.begin()
            except lmdb.MapResizedError:
                continue

    def _enter(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._resizing)
            self._open += 1

    def _leave(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _resize(self, size: int) -> None:
        """Make the map `size` bytes, or with 0 as large as another process has made it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._resizing)
            self._resizing = True
            try:
                if not self._changed.wait_for(lambda: self._open == 0, _PATIENCE_S):
                    raise StateFault(
                        f"{self.folder}: the map must grow, and a snapshot of this process has been open for "
                        f"{_PATIENCE_S} s. Export from a process of its own: shortlist state export"
                    )
                if size == 0 or size > self._env.info()["map_size"]:
                    self._env.set_mapsize(size)
            finally:
                self._resizing = False
                self._changed.notify_all()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What LMDB says, a full disk included, as one clear error."""
        try:
            yield
        except (lmdb.MapFullError, lmdb.MapResizedError):
            raise
        except lmdb.Error as error:
            raise StateFault(
                f"cannot use the state in {self.folder}: {error}. It must be a folder on a local disk with space "
                "left that this process may write. Name another with --state FOLDER, or serve without: --state none"
            ) from error
