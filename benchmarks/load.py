"""Load on an HTTP server: Poisson arrivals at a fixed rate, over a bounded number of keep-alive connections.

The loop is open: a request is due at its own time, however slow the answers before it are, and its latency counts from
when it was due, not from when a connection was free to send it. A generator that waits for each answer asks less the
slower the server is, and leaves out the very requests that would have had to wait: Gil Tene, How NOT to Measure
Latency, 2015 ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

LOST, UNANSWERED = "connection lost", "unanswered"
"""What stands among the status codes for requests that got none."""
_SPIN_S = 0.002
"""The event loop sleeps in whole milliseconds; what is left before a request is due is waited out awake."""
_RECONNECT_S = 0.02
_CONNECT_S = 5.0
"""How long the first connections may take before the load begins without them."""
_END = b"\r\n\r\n"

Answered = Callable[[int, str, bytes], None]
"""Called with a request's number, its status code and the answer's body."""


@dataclass
class Outcome:
    """What a load met with."""

    rate: float
    """Requests a second: asked for of an open loop, reached by a closed one."""
    seconds: float = 0.0
    """From the first request to the last answer."""
    latency_ms: list[float] = field(default_factory=list)
    """Of the requests that were answered at all, from when each was due."""
    late_ms: list[float] = field(default_factory=list)
    """How long after it was due the generator took up each request: its own failing, not the server's."""
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def errors(self) -> int:
        """Requests without the answer 200."""
        return sum(self.codes.values()) - self.codes["200"]

    def percentile(self, share: float) -> float:
        """Milliseconds within which that share (0 to 100) of the answers came; infinite where none came."""
        return float(np.percentile(self.latency_ms, share)) if self.latency_ms else float("inf")

    def figures(self) -> dict[str, Any]:
        """For a table."""
        return {
            "rate": round(self.rate, 1),
            "requests": sum(self.codes.values()),
            **{f"p{share:g}_ms": self._shown(share) for share in (50, 90, 99)},
            "max_ms": self._shown(100),
            "generator_late_p99_ms": round(float(np.percentile(self.late_ms, 99)), 3) if self.late_ms else 0.0,
            "errors": self.errors,
        }

    def _shown(self, share: float) -> float | None:
        """None where no answer came: JSON knows no infinity."""
        return round(self.percentile(share), 3) if self.latency_ms else None


@dataclass(frozen=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    key: str | None = None
    """The API key, where the server asks for one."""

    @property
    def headers(self) -> dict[str, str]:
        """That every request has."""
        return {"Authorization": f"Bearer {self.key}"} if self.key is not None else {}

    def post(self, path: str, body: bytes) -> bytes:
        """A whole request as bytes, so that nothing is encoded while it is measured."""
        headers = {"Host": f"{self.host}:{self.port}", "Content-Type": "application/json", **self.headers}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def open_loop(
    target: Target,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    *,
    connections: int = 64,
    seed: int = 0,
    answered: Answered | None = None,
    patience_s: float = 10.0,
) -> Outcome:
    """Send the requests in turn for so many seconds at times of a Poisson process of `rate` a second.

    Those without an answer `patience_s` after the last was due are `UNANSWERED`.
    """
    pool = _Pool(target, connections, Outcome(rate), answered)
    return asyncio.run(_open(pool, requests, arrivals(rate, seconds, seed), patience_s))


def closed_loop(
    target: Target,
    requests: Sequence[bytes],
    count: int,
    *,
    connections: int = 1,
    answered: Answered | None = None,
) -> Outcome:
    """Send `count` requests, on each connection the next one when the last one is answered."""
    return asyncio.run(_closed(_Pool(target, connections, Outcome(0.0)), requests, count, answered))


def arrivals(rate: float, seconds: float, seed: int) -> npt.NDArray[np.float64]:
    """Times of a Poisson process: between any two an exponential gap."""
    random = np.random.default_rng(seed)
    gap_n = random.exponential(1 / rate, int(rate * seconds + 6 * (rate * seconds) ** 0.5) + 1)
    due_n: npt.NDArray[np.float64] = np.cumsum(gap_n)
    return due_n[due_n < seconds]


async def _open(pool: _Pool, requests: Sequence[bytes], due_n: npt.NDArray[np.float64], patience_s: float) -> Outcome:
    outcome = pool.outcome
    async with pool:
        start = time.perf_counter() + 0.05
        for number, after in enumerate(due_n.tolist()):
            due = start + after
            while (left := due - time.perf_counter()) > 0:
                await asyncio.sleep(max(left - _SPIN_S, 0.0))
            outcome.late_ms.append(-1e3 * left)
            pool.send(_Request(number, requests[number % len(requests)], due))
        with suppress(TimeoutError):
            await asyncio.wait_for(pool.settled(), patience_s)
        outcome.codes[UNANSWERED] += len(due_n) - sum(outcome.codes.values())
        outcome.seconds = time.perf_counter() - start
    return outcome


async def _closed(pool: _Pool, requests: Sequence[bytes], count: int, answered: Answered | None) -> Outcome:
    left = iter(range(count))

    def send_next() -> None:
        number = next(left, None)
        if number is not None:
            pool.send(_Request(number, requests[number % len(requests)], time.perf_counter()))

    def then_next(number: int, code: str, body: bytes) -> None:
        if answered is not None:
            answered(number, code, body)
        send_next()

    pool.answered = then_next
    async with pool:
        start = time.perf_counter()
        for _ in range(pool.connections):
            send_next()
        await pool.settled()
        pool.outcome.seconds = time.perf_counter() - start
    pool.outcome.rate = pool.outcome.codes["200"] / pool.outcome.seconds
    return pool.outcome


@dataclass(frozen=True, slots=True)
class _Request:
    number: int
    raw: bytes
    due: float
    """By `time.perf_counter`."""


class _Pool:
    """Connections that are kept open; a request that finds none free waits in line."""

    def __init__(self, target: Target, connections: int, outcome: Outcome, answered: Answered | None = None) -> None:
        self.target = target
        self.connections = connections
        self.outcome = outcome
        self.answered = answered
        self._open: set[_Connection] = set()
        self._free: deque[_Connection] = deque()
        self._waiting: deque[_Request] = deque()
        self._under_way = 0
        self._closing = False
        self._settled = asyncio.Event()
        self._settled.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, request: _Request) -> None:
        """Now, or as soon as a connection is free."""
        self._settled.clear()
        if self._free:
            self._under_way += 1
            self._free.popleft().send(request)
        else:
            self._waiting.append(request)

    async def settled(self) -> None:
        """Until every request has its outcome."""
        await self._settled.wait()

    def done(self, request: _Request, code: str, body: bytes) -> None:
        """A request's outcome is known; one that the pool's own end cut off has none."""
        if self._closing:
            return
        self._under_way -= 1
        self.outcome.codes[code] += 1
        if code != LOST:
            self.outcome.latency_ms.append(1e3 * (time.perf_counter() - request.due))
        if self.answered is not None:
            self.answered(request.number, code, body)
        if not self._under_way and not self._waiting:
            self._settled.set()

    def made(self, connection: _Connection) -> None:
        """A connection is there."""
        self._open.add(connection)
        self.freed(connection)

    def freed(self, connection: _Connection) -> None:
        """A connection may take the next request."""
        if self._waiting:
            self._under_way += 1
            connection.send(self._waiting.popleft())
        else:
            self._free.append(connection)

    def lost(self, connection: _Connection) -> None:
        """A connection is gone; another takes its place."""
        self._open.discard(connection)
        with suppress(ValueError):
            self._free.remove(connection)
        if not self._closing:
            self._start_connecting()

    def _start_connecting(self) -> None:
        task = asyncio.create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            try:
                await loop.create_connection(lambda: _Connection(self), self.target.host, self.target.port)
            except OSError:
                await asyncio.sleep(_RECONNECT_S)
            else:
                return

    async def __aenter__(self) -> _Pool:
        for _ in range(self.connections):
            self._start_connecting()
        await asyncio.wait(self._tasks, timeout=_CONNECT_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        for connection in self._open:
            connection.close()
        # The loop closes their sockets in its next round.
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One keep-alive connection, with at most one request under way."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._request: _Request | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pool.made(self)

    def send(self, request: _Request) -> None:
        self._request = request
        self._transport.write(request.raw)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = answer_of(self._received)
        if answer is None or self._request is None:
            return
        request, self._request, self._received = self._request, None, b""
        self._pool.done(request, *answer)
        self._pool.freed(self)

    def connection_lost(self, error: Exception | None) -> None:
        request, self._request = self._request, None
        self._pool.lost(self)
        if request is not None:
            self._pool.done(request, LOST, b"")


def answer_of(received: bytes) -> tuple[str, bytes] | None:
    """Status code and body of a whole answer that says its length; None for one that is not complete yet."""
    head, end, body = received.partition(_END)
    if not end:
        return None
    lines = head.lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
    return (lines[0].split(b" ", 2)[1].decode(), body) if len(body) >= length else None
