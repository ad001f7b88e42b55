"""The shards of a log: opened when they are asked for, a few of them at once, however many there are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, overload

import pyarrow as pa

from shortlist.data.event_shard import EventShard
from shortlist.data.order import TOGETHER
from shortlist.data.shards import read_batch

OPEN = 2 * TOGETHER
"""Shards that are open at once: those whose blocks take turns, and as many that come next."""


class ShardFiles(Protocol):
    """Where shards are."""

    names: Sequence[str]
    """Of the files, in the order of the log."""

    def read(self, number: int) -> pa.RecordBatch:
        """Map one file, once it is here; DataError if that cannot be done."""

    def soon(self, number: int) -> None:
        """Say that a file will be read before long."""


class LocalFiles:
    """Shards in a folder of this machine. The system reads ahead of itself: no advice made an epoch faster."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.names = names
        self._folder = folder

    def read(self, number: int) -> pa.RecordBatch:
        """Map one file; DataError if it is not there or broken."""
        return read_batch(self._folder / self.names[number])

    def soon(self, number: int) -> None:
        """Nothing to do."""


class EventShards(Sequence[EventShard]):
    """A sequence of shards of which the OPEN last used ones are held. Threads may share it."""

    def __init__(self, files: ShardFiles) -> None:
        self._files = files
        self._open: OrderedDict[int, EventShard] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._files.names)

    @overload
    def __getitem__(self, place: int) -> EventShard: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[EventShard]: ...

    def __getitem__(self, place: int | slice) -> EventShard | Sequence[EventShard]:
        if isinstance(place, slice):
            return [self[number] for number in range(len(self))[place]]
        number = range(len(self))[place]
        with self._lock:
            if number not in self._open:
                self._open[number] = EventShard.of(self._files.names[number], self._files.read(number))
            self._open.move_to_end(number)
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
            return self._open[number]

    def __iter__(self) -> Iterator[EventShard]:
        return in_turn(self, range(len(self)))

    def soon(self, number: int) -> None:
        """Say that a shard will be read before long."""
        if number not in self._open:
            self._files.soon(number)


def in_turn(shards: Sequence[EventShard], numbers: Sequence[int]) -> Iterator[EventShard]:
    """Some of the shards, each of them on its way while the one before is read."""
    for place, number in enumerate(numbers):
        if isinstance(shards, EventShards) and place + 1 < len(numbers):
            shards.soon(numbers[place + 1])
        yield shards[number]
