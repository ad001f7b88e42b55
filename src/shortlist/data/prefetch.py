"""Making the next batches ready in the background while this one is computed with."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")


def prefetch(source: Iterable[Item], depth: int) -> Iterator[Item]:
    """The items of `source`, up to `depth` of them made ahead in a thread; 0 for no thread.

    What the source raises is raised where its item would have come. The thread ends with the items, or when the
    iterator is closed or forgotten.
    """
    return _Prefetched(source, depth) if depth > 0 else iter(source)


class _Line(Generic[Item]):
    """What the two threads share. The background must not hold the iterator, or it would never be forgotten."""

    def __init__(self, depth: int) -> None:
        self.items: SimpleQueue[tuple[Item] | BaseException] = SimpleQueue()
        self.free = threading.Semaphore(depth)
        self.closed = False

    def fill(self, source: Iterable[Item]) -> None:
        """Put items into the line as there is room, then what ended them."""
        try:
            items = iter(source)
            while self.free.acquire() and not self.closed:
                self.items.put((next(items),))
        except BaseException as error:
            self.items.put(error)

    def close(self) -> None:
        """Let the background end after the item that it is making."""
        self.closed = True
        self.free.release()


class _Prefetched(Iterator[Item]):
    def __init__(self, source: Iterable[Item], depth: int) -> None:
        self._line: _Line[Item] = _Line(depth)
        self._thread = threading.Thread(target=self._line.fill, args=(source,), name="prefetch", daemon=True)
        self._ended = weakref.finalize(self, _end, self._line, self._thread)
        self._thread.start()

    def __next__(self) -> Item:
        if not self._ended.alive:
            raise StopIteration
        found = self._line.items.get()
        if isinstance(found, BaseException):
            self.close()
            raise found
        self._line.free.release()
        return found[0]

    def close(self) -> None:
        """End the background, once the item that it is making is made."""
        self._ended()


def _end(line: _Line[Item], thread: threading.Thread) -> None:
    line.close()
    # An iterator may be collected as garbage by any thread, its own among them.
    if thread is not threading.current_thread():
        thread.join()
