"""The work queue of one process: bounded; nobody works for who has gone, and what is alike is done at once.

There is no timer. A thread that is idle takes up a request as it comes; one that comes back from work takes, with the
request that has waited longest, those like it that came meanwhile. So batches grow with the load and delay nobody on an
idle server: the adaptive batching of Crankshaw et al., Clipper: A Low-Latency Online Prediction Serving System, NSDI
2017, section 4.3, without its delayed batches.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from shortlist.serving.refusal import Refusal

MOST_TOGETHER = 8
"""Requests that are worked on at once. All of them wait for the last, and beyond, one more hardly costs less."""
_RETRY_AFTER_S = 1

G = TypeVar("G")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Job(Generic[G, T]):
    """What is to be done for one request."""

    work: Callable[[Sequence[G]], Sequence[T | BaseException]]
    """Does it for several that are given, and says of each its result or what went wrong."""
    given: G
    key: Hashable | None = None
    """Jobs with the same one have the same work, and may be done at once; None for a job that is done by itself."""

    @staticmethod
    def by_itself(work: Callable[[], T]) -> Job[None, T]:
        """A job that is given nothing."""
        return Job(lambda given: [work() for _ in given], None)

    def is_like(self, other: Job[Any, Any]) -> bool:
        """Whether both may be done at once."""
        return self.key is not None and self.key == other.key


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A job in the queue, and the outcome that its request waits for."""

    job: Job[Any, Any]
    due: float
    outcome: asyncio.Future[Any]

    def settle(self, outcome: Any) -> None:
        """Tell the request, if it is still there."""
        if self.outcome.done():
            return
        if isinstance(outcome, StopIteration):
            # asyncio refuses to hand it over: where it comes out it would end a loop and not say what went wrong.
            error = RuntimeError("an iterator was at its end")
            error.__cause__ = outcome
            self.outcome.set_exception(error)
        elif isinstance(outcome, BaseException):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class WorkQueue:
    """Requests of one event loop, worked on by one thread: more cores are used by more processes, not more threads."""

    def __init__(self, most_waiting: int, changed: Callable[[int], None] = lambda _: None) -> None:
        """`changed` is told by how much the number of those that wait has changed."""
        self.most_waiting = most_waiting
        self._changed = changed
        self._line: list[_Waiting] = []
        self._at_work = False
        self._thread = ThreadPoolExecutor(1, "recommender")

    @property
    def waiting(self) -> int:
        """Requests that the thread has not begun."""
        return len(self._line)

    def check_room(self) -> None:
        """Refusal, status 503, if the queue is full."""
        if self._at_work and self.waiting >= self.most_waiting:
            raise _too_busy(f"the server is busy: {self.waiting} requests wait for their turn")

    async def run(self, job: Job[G, T], request: Request, due: float = math.inf) -> T:
        """The job's result; Refusal, status 503, if the queue is full or the time is up before it begins.

        due: in seconds of `time.perf_counter`.
        """
        self.check_room()
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        one = _Waiting(job, due, outcome)
        if not self._at_work:
            self._begin([one])
            return await outcome
        self._stay([*self._line, one])
        watching = asyncio.create_task(self._until_gone(one, request))
        try:
            return await outcome
        finally:
            watching.cancel()
            self._stay([other for other in self._line if other is not one])

    async def _until_gone(self, one: _Waiting, request: Request) -> None:
        """Nobody works for a client that has gone before its turn."""
        while (await request.receive())["type"] != "http.disconnect":
            pass
        if one in self._line:
            one.settle(Refusal("the client went away before its turn", "request", status=499))

    def _begin(self, group: Sequence[_Waiting]) -> None:
        """Hand over to the thread."""
        loop = asyncio.get_running_loop()
        self._at_work = True
        self._thread.submit(lambda: loop.call_soon_threadsafe(self._ended, group, _outcomes(group)))

    def _ended(self, group: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
        # The thread has its next work before the last answers are written, which takes the event loop a while.
        self._at_work = False
        if waiting := [one for one in self._line if not one.outcome.done()]:
            alike = [one for one in waiting[1:] if one.job.is_like(waiting[0].job)]
            following = [waiting[0], *alike[: MOST_TOGETHER - 1]]
            self._begin(following)
            self._stay([one for one in waiting if one not in following])
        for one, outcome in zip(group, outcomes, strict=True):
            one.settle(outcome)

    def _stay(self, line: list[_Waiting]) -> None:
        """Those that wait from now on."""
        step = len(line) - len(self._line)
        self._line = line
        if step:
            self._changed(step)

    async def aside(self, job: Callable[[], T]) -> T:
        """The result of a job that is no request's, in its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def close(self) -> None:
        """End the thread when its last request is answered."""
        self._thread.shutdown()


def _outcomes(group: Sequence[_Waiting]) -> list[Any]:
    """Of each its result, or the exception that says why there is none."""
    now = time.perf_counter()
    in_time = [one for one in group if now < one.due]
    found: dict[_Waiting, Any] = {}
    try:
        if in_time:
            results = in_time[0].job.work([one.job.given for one in in_time])
            found = dict(zip(in_time, results, strict=True))
    except BaseException as error:
        found = dict.fromkeys(in_time, error)
    late = _too_busy("the time budget was spent before the request's turn came")
    return [found.get(one, late) for one in group]


def _too_busy(message: str) -> Refusal:
    return Refusal(message, "server", status=503, headers={"Retry-After": str(_RETRY_AFTER_S)})
