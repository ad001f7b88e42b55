"""State in a folder: LMDB, shared by all processes of one machine.

Reading a user takes some microseconds in the process itself, a process that is killed leaves the data whole and blocks
nobody, and an append returns only after `fsync`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import orjson

from shortlist.core.errors import EnvironmentFault
from shortlist.state.base import Id, Snapshot, StateEvent, StateFault, UserState
from shortlist.state.checks import check_events, check_id, features_json
from shortlist.state.keys import counter_key, counter_prefix, key_of
from shortlist.state.lmdb_map import FIRST_MAP, LmdbMap
from shortlist.state.record import Record
from shortlist.state.user_values import features_value, user_of_values, user_state

_DATABASES = ("events", "features", "counters")


class LmdbState:
    """See `State`."""

    def __init__(self, folder: Path, create: bool = True, first_map: int = FIRST_MAP) -> None:
        self.address = str(folder)
        if not create and not (folder / "data.mdb").is_file():
            raise EnvironmentFault(f"there is no state in {folder}. `shortlist serve` makes one beside its bundle")
        if create:
            _make(folder)
        self._map = LmdbMap(folder, _DATABASES, first_map)
        self._events, self._features, self._counters = (self._map.databases[name] for name in _DATABASES)

    def append(self, events: Sequence[StateEvent]) -> list[bool]:
        """See `State`."""
        check_events(events)
        places: dict[bytes, list[int]] = {}
        for place, event in enumerate(events):
            places.setdefault(key_of(event.user), []).append(place)

        def work(transaction: lmdb.Transaction[bytes]) -> list[bool]:
            is_new = [False] * len(events)
            for key, of_user in places.items():
                record = Record.of(events[of_user[0]].user, transaction.get(key, db=self._events))
                for place, new in zip(of_user, record.add([events[place] for place in of_user]), strict=True):
                    is_new[place] = new
                transaction.put(key, record.value(), db=self._events)
            for event, new in zip(events, is_new, strict=True):
                if new:
                    self._count(transaction, event)
            return is_new

        return self._map.write(work) if events else []

    def _count(self, transaction: lmdb.Transaction[bytes], event: StateEvent) -> None:
        key = counter_key(event.item, event.type)
        before = transaction.get(key, db=self._counters)
        count = 1 if before is None else orjson.loads(before)[1] + 1
        transaction.put(key, orjson.dumps([event.type, count]), db=self._counters)

    def user(self, user: Id) -> UserState | None:
        """See `State`."""
        key = key_of(user)
        with self._map.read() as transaction:
            events, features = transaction.get(key, db=self._events), transaction.get(key, db=self._features)
        return user_state(user, events, features)

    def set_features(self, user: Id, features: Mapping[str, Any] | None) -> None:
        """See `State`."""
        check_id(user)
        key = key_of(user)
        if features is None:
            self._map.write(lambda transaction: transaction.delete(key, db=self._features))
            return
        value = features_value(user, features_json(features))
        self._map.write(lambda transaction: transaction.put(key, value, db=self._features))

    def add_older(self, user: Id, items: Sequence[Id]) -> None:
        """See `State`."""
        for entity in (user, *items):
            check_id(entity)

        def work(transaction: lmdb.Transaction[bytes]) -> None:
            record = Record.of(user, transaction.get(key_of(user), db=self._events))
            record.see(items)
            transaction.put(key_of(user), record.value(), db=self._events)

        self._map.write(work)

    def counts(self, item: Id) -> dict[str | None, int]:
        """See `State`."""
        prefix, found = counter_prefix(item), {}
        with self._map.read() as transaction, transaction.cursor(self._counters) as cursor:
            if cursor.set_range(prefix):
                for key, value in cursor:
                    if not key.startswith(prefix):
                        break
                    kind, count = orjson.loads(value)
                    found[kind] = count
        return found

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """See `State`."""
        with self._map.read() as transaction:
            yield lambda: self._users(transaction)

    def _users(self, transaction: lmdb.Transaction[bytes]) -> Iterator[UserState]:
        with transaction.cursor(self._events) as cursor:
            for key, events in cursor:
                yield user_of_values(events, transaction.get(key, db=self._features))
        with transaction.cursor(self._features) as cursor:
            for key, features in cursor:
                if transaction.get(key, db=self._events) is None:
                    yield user_of_values(None, features)

    def close(self) -> None:
        """See `State`."""
        self._map.close()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateFault(
            f"cannot make the folder {folder} for the state: {error.strerror}. Name another with --state FOLDER, or "
            "serve without one: --state none"
        ) from error
