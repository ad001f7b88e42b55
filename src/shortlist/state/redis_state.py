"""State on a Redis server: one for several hosts.

A user's events are the same value as in LMDB. An append reads the values of its users, adds the events, and writes all
of them in one MULTI that fails if another process wrote one of them since it was read (WATCH); then it begins again.
So nothing is lost between two writers, and the rules of a history are written once, in Python. What is acknowledged
is as durable as the server is set to be: `appendonly yes` and `appendfsync always` keep all of it.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shortlist.state.base import Id, Snapshot, StateEvent, StateFault, UserState
from shortlist.state.checks import check_events, check_id, features_json
from shortlist.state.keys import key_of
from shortlist.state.record import Record
from shortlist.state.user_values import features_value, user_of_values, user_state

_EVENTS, _FEATURES, _COUNTERS = b"shortlist:events:", b"shortlist:features:", b"shortlist:counters:"
_PATIENCE_S = 5.0
"""How long a server may take to write, and how long an append goes on beginning again."""
_READ_S = 0.5
"""How long it may take to tell of a user: a request waits for it, and all those behind it."""
_REST_S = 1.0
"""How long nobody is asked for after that was too short: a server that hangs would hold up every request."""
_AT_ONCE = 500
"""Users that a snapshot reads with one command."""


class RedisState:
    """See `State`."""

    def __init__(self, url: str) -> None:
        self.address = url
        self._shown = _without_password(url)
        try:
            # Its annotations are those of clients that decode answers and of those that do not, all at once.
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S, health_check_interval=30
            )
            self._reader: Any = redis.Redis.from_url(
                url, socket_timeout=_READ_S, socket_connect_timeout=_READ_S, retry=Retry(NoBackoff(), 0)
            )
            self._rests_until = -math.inf
        except ValueError as error:
            raise StateFault(
                f"expected redis://HOST:PORT/NUMBER as the state's address, found {self._shown}: {error}"
            ) from error
        with self._faults():
            self._redis.ping()

    def append(self, events: Sequence[StateEvent]) -> list[bool]:
        """See `State`."""
        check_events(events)
        places: dict[bytes, list[int]] = {}
        for place, event in enumerate(events):
            places.setdefault(_EVENTS + key_of(event.user), []).append(place)

        def work(pipe: Any, values: Sequence[bytes | None]) -> list[bool]:
            is_new = [False] * len(events)
            for (key, of_user), value in zip(places.items(), values, strict=True):
                record = Record.of(events[of_user[0]].user, value)
                for place, new in zip(of_user, record.add([events[place] for place in of_user]), strict=True):
                    is_new[place] = new
                pipe.set(key, record.value())
            for event, new in zip(events, is_new, strict=True):
                if new:
                    pipe.hincrby(_counters(event.item), orjson.dumps(event.type), 1)
            return is_new

        return self._write(list(places), work) if events else []

    def user(self, user: Id) -> UserState | None:
        """See `State`."""
        key = key_of(user)
        if time.monotonic() < self._rests_until:
            raise StateFault(f"the state at {self._shown} did not answer within {_READ_S:g} s a moment ago")
        with self._faults():
            try:
                events, features = self._reader.mget([_EVENTS + key, _FEATURES + key])
            except redis.TimeoutError:
                self._rests_until = time.monotonic() + _REST_S
                raise
        return user_state(user, events, features)

    def set_features(self, user: Id, features: Mapping[str, Any] | None) -> None:
        """See `State`."""
        check_id(user)
        key = _FEATURES + key_of(user)
        with self._faults():
            if features is None:
                self._redis.delete(key)
            else:
                self._redis.set(key, features_value(user, features_json(features)))

    def add_older(self, user: Id, items: Sequence[Id]) -> None:
        """See `State`."""
        for entity in (user, *items):
            check_id(entity)
        key = _EVENTS + key_of(user)

        def work(pipe: Any, values: Sequence[bytes | None]) -> None:
            record = Record.of(user, values[0])
            record.see(items)
            pipe.set(key, record.value())

        self._write([key], work)

    def counts(self, item: Id) -> dict[str | None, int]:
        """See `State`."""
        with self._faults():
            found: Mapping[bytes, bytes] = self._redis.hgetall(_counters(item))
        return {orjson.loads(kind): int(count) for kind, count in found.items()}

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """See `State`."""
        yield self._users

    def _users(self) -> Iterator[UserState]:
        with self._faults():
            for keys in self._keys(_EVENTS):
                others = [_FEATURES + key.removeprefix(_EVENTS) for key in keys]
                values = self._redis.mget([*keys, *others])
                for events, features in zip(values[: len(keys)], values[len(keys) :], strict=True):
                    if events is not None:
                        yield user_of_values(events, features)
            for keys in self._keys(_FEATURES):
                others = [_EVENTS + key.removeprefix(_FEATURES) for key in keys]
                values = self._redis.mget([*keys, *others])
                for features, events in zip(values[: len(keys)], values[len(keys) :], strict=True):
                    if events is None and features is not None:
                        yield user_of_values(None, features)

    def _keys(self, prefix: bytes) -> Iterator[list[bytes]]:
        """Keys with the prefix, some at a time, each once: SCAN may give one twice while others write."""
        told: set[bytes] = set()
        waiting: list[bytes] = []
        for key in self._redis.scan_iter(match=prefix + b"*", count=_AT_ONCE):
            if key not in told:
                told.add(key)
                waiting.append(key)
            if len(waiting) == _AT_ONCE:
                yield waiting
                waiting = []
        if waiting:
            yield waiting

    def close(self) -> None:
        """See `State`."""
        self._redis.close()
        self._reader.close()

    def _write(self, keys: Sequence[bytes], work: Callable[[Any, Sequence[bytes | None]], Any]) -> Any:
        """Do `work` on the values of `keys`, and again for as long as another process has changed one meanwhile."""
        give_up = time.monotonic() + _PATIENCE_S
        with self._faults(), self._redis.pipeline() as pipe:
            while time.monotonic() < give_up:
                try:
                    pipe.watch(*keys)
                    values = pipe.mget(keys)
                    pipe.multi()
                    result = work(pipe, values)
                    pipe.execute()
                except redis.WatchError:
                    time.sleep(random.uniform(0, 0.005))
                else:
                    return result
        raise StateFault(
            f"the state at {self._shown}: for {_PATIENCE_S:g} s others kept writing the same users. Send fewer events "
            "of one user at once, or send them again later"
        )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except redis.WatchError:
            raise
        except redis.RedisError as error:
            raise StateFault(
                f"cannot use the state at {self._shown}: {error}. Start the server, or name another: "
                "--state redis://HOST:PORT/0, --state FOLDER, or --state none to serve without one"
            ) from error


def _counters(item: Id) -> bytes:
    return _COUNTERS + key_of(item)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
