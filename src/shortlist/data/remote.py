"""Shards on another file system, of any kind that fsspec knows: uploaded when prepared, fetched as they are read."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.core.addresses import file_system
from shortlist.core.errors import DataError, Problem, RecipeError
from shortlist.core.files import disk_is_full, sha256
from shortlist.data.event_shard import EventShard
from shortlist.data.event_shards import OPEN
from shortlist.data.selection import ShardFacts
from shortlist.data.shard_cache import ShardCache, default_folder
from shortlist.data.shards import read_batch

REMOTE = "remote"
"""What the manifest of prepared data calls the place of its shards, where that is not its folder."""
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Waits before another attempt, after a fault that may pass."""
AT_ONCE = 2
"""Shards fetched at the same time in the background."""
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteShard:
    """A shard as it was uploaded."""

    name: str
    file: str
    """Its name there, which holds the beginning of its hash: what another preparation wrote is never overwritten."""
    bytes: int
    sha256: str
    facts: Mapping[str, Any]


def upload(folder: Path, names: Sequence[str], url: str | None) -> dict[str, Any]:
    """Move the shards of a prepared folder to `url`; what the manifest says of them. Nothing where there is no `url`.

    Raises DataError when the place cannot be written, EnvironmentFault when its package is not installed.
    """
    if url is None:
        return {}
    place = Place(url)
    shards = [asdict(upload_shard(place, folder / name)) for name in names]
    return {REMOTE: {"url": url, "shards": shards}}


def upload_shard(place: Place, path: Path) -> RemoteShard:
    """Move one shard to `place`, under a name of its content."""
    facts = ShardFacts.of(EventShard.of(path.name, read_batch(path)))
    digest = sha256(path)
    shard = RemoteShard(
        name=path.name,
        file=f"{path.stem}-{digest[:16]}{path.suffix}",
        bytes=path.stat().st_size,
        sha256=digest,
        facts=asdict(facts),
    )
    place.put(path, shard)
    path.unlink()
    return shard


class Place:
    """A folder on a file system that fsspec knows."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._folder = file_system(self.url, "compute.shards")

    def put(self, path: Path, shard: RemoteShard) -> None:
        """Upload a file, unless an earlier attempt has done so; DataError if that cannot be done."""

        def attempt() -> None:
            # A path without a root begins with a bucket, which has no folders and is not made in passing.
            if self._folder.startswith("/"):
                self._files.makedirs(self._folder, exist_ok=True)
            self._files.invalidate_cache()
            if not self._files.exists(there) or self._files.size(there) != shard.bytes:
                self._files.put_file(str(path), there)

        there = f"{self._folder}/{shard.file}"
        self._try(attempt, f"cannot upload {self.url}/{shard.file}", "Is the place there, and may this machine write?")

    def get(self, shard: RemoteShard, target: Path) -> None:
        """Download a file and check it; DataError if it is not there any more, or not what was uploaded."""

        def attempt() -> None:
            # What an earlier listing said may have changed since.
            self._files.invalidate_cache()
            found = self._files.size(there)
            if found != shard.bytes:
                raise _Altered(f"it has {found:,} bytes, and had {shard.bytes:,} when it was prepared")
            self._files.get_file(there, str(target))
            if sha256(target) != shard.sha256:
                raise OSError("its content is not what was prepared (SHA-256 differs)")

        there = f"{self._folder}/{shard.file}"
        what_to_do = "If it was removed or overwritten, prepare it again with: shortlist prepare --force"
        self._try(attempt, f"cannot fetch {self.url}/{shard.file}", what_to_do)

    def _try(self, attempt: Callable[[], None], what: str, what_to_do: str) -> None:
        """Make an attempt, and more of them after faults that may pass."""
        for seconds in (*BACKOFF_SECONDS, None):
            try:
                return attempt()
            except Exception as error:
                if seconds is None or isinstance(error, (*_LASTING, _Altered)) or disk_is_full(error):
                    reason = f"{type(error).__name__} {error}" if not isinstance(error, _Altered) else str(error)
                    raise DataError(f"{what}: {reason}. {what_to_do}") from error
            time.sleep(seconds)
        return None


class _Altered(Exception):
    """A file is not what was uploaded: another attempt will find it so again."""


class RemoteFiles:
    """The uploaded shards, through a cache on this machine."""

    def __init__(self, place: Place, shards: Sequence[RemoteShard], cache: ShardCache) -> None:
        self.names: Sequence[str] = [shard.name for shard in shards]
        self._place = place
        self._shards = shards
        self._cache = cache
        self._coming: dict[int, Future[Path]] = {}
        self._lock = threading.Lock()
        self._background = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="shards")
        weakref.finalize(self, self._background.shutdown, wait=False, cancel_futures=True)

    @classmethod
    def of(cls, remote: Mapping[str, Any], cache_gib: float) -> RemoteFiles:
        """From what `upload` said; RecipeError if the cache cannot hold the shards that are read together."""
        shards = [RemoteShard(**shard) for shard in remote["shards"]]
        limit = int(cache_gib * 2**30)
        needed = sum(sorted((shard.bytes for shard in shards), reverse=True)[:OPEN])
        if limit < needed:
            least = math.ceil(needed / 2**30 * 1000) / 1000
            why = f"is too little for the shards of {remote['url']}, of which {OPEN} are needed at once"
            what_to_do = f"give it at least {least:g}, better several times that"
            raise RecipeError([Problem("compute.cache_gib", f"{cache_gib:g} {why}: {what_to_do}")])
        return cls(Place(remote["url"]), shards, ShardCache(default_folder(), limit))

    def read(self, number: int) -> pa.RecordBatch:
        """Map a shard, once it has been fetched; DataError if it cannot be."""
        with self._lock:
            coming = self._coming.pop(number, None)
        path = coming.result() if coming is not None else self._fetch(number)
        try:
            return read_batch(path)
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            # A process that shares the cache needed the room just now.
            return read_batch(self._fetch(number))

    def soon(self, number: int) -> None:
        """Fetch a shard in the background."""
        with self._lock:
            if number not in self._coming:
                self._coming[number] = self._background.submit(self._fetch, number)

    def _fetch(self, number: int) -> Path:
        shard = self._shards[number]
        key = f"{shard.sha256}.arrow"
        return self._cache.get(key, shard.bytes, lambda target: self._place.get(shard, target))
