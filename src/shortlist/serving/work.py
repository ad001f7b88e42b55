"""The work queue of one process: a bounded one, in which nothing is worked on that nobody waits for."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from shortlist.serving.refusal import Refusal

THREADS = 1
"""Requests that one process works on at once: more cores are used by more processes, not by more threads."""
_HANDED_OVER = THREADS + 1
"""Requests that the threads have: one beyond those at work, so that no thread waits for the event loop."""
_RETRY_AFTER_S = 1

T = TypeVar("T")


class WorkQueue:
    """Requests of one event loop, worked on one after another."""

    def __init__(self, most_waiting: int, changed: Callable[[int], None] = lambda _: None) -> None:
        """`changed` is told by how much the number of those that wait has changed."""
        self.most_waiting = most_waiting
        self._changed = changed
        self._inside = 0
        self._threads = ThreadPoolExecutor(THREADS, "recommender")
        self._turns = asyncio.Semaphore(_HANDED_OVER)

    @property
    def waiting(self) -> int:
        """Requests that no thread has begun."""
        return max(self._inside - THREADS, 0)

    async def run(self, job: Callable[[], T], request: Request, due: float = math.inf) -> T:
        """The job's result; Refusal, status 503, if the queue is full or the time is up before it begins.

        due: in seconds of `time.perf_counter`.
        """
        if self._inside >= THREADS + self.most_waiting:
            raise _too_busy(f"the server is busy: {self.waiting} requests wait for their turn")
        self._enter(1)
        try:
            has_to_wait = self._turns.locked()
            async with self._turns:
                if has_to_wait and await request.is_disconnected():
                    raise Refusal("the client went away before its turn", "request", status=499)
                return await self.aside(lambda: _in_time(job, due))
        finally:
            self._enter(-1)

    def _enter(self, step: int) -> None:
        before = self.waiting
        self._inside += step
        if self.waiting != before:
            self._changed(self.waiting - before)

    async def aside(self, job: Callable[[], T]) -> T:
        """The result of a job that is no request's, in its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    def close(self) -> None:
        """End the threads when their last request is answered."""
        self._threads.shutdown()


def _in_time(job: Callable[[], T], due: float) -> T:
    if time.perf_counter() >= due:
        raise _too_busy("the time budget was spent before the request's turn came")
    return job()


def _too_busy(message: str) -> Refusal:
    return Refusal(message, "server", status=503, headers={"Retry-After": str(_RETRY_AFTER_S)})
