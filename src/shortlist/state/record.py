"""The events of a user as one value: what both stores keep, and how events enter it.

A value is read for every recommendation and written for every event, so what is numbers lies as an array that numpy
reads in place, whatever its length: 8 bytes of header (format, number of events), then int64 times, int64 identities
and uint16 types. What is ids, which may be integers or text of any length, follows as one JSON array `[user, items,
names of the types, older items]`, which orjson reads faster than Python could take apart a layout of its own.

Legend: L events of a history.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from shortlist.core.errors import DataError
from shortlist.state.base import MOST_EVENTS, MOST_OLDER, Id, StateEvent, UserState
from shortlist.state.keys import identity_of

_FORMAT = 1
_HEADER = struct.Struct("<B3xI")
_BYTES_AN_EVENT = 8 + 8 + 2


def read(value: bytes) -> UserState:
    """What `Record.value` gave; DataError for a value of another format."""
    version, count = _HEADER.unpack_from(value)
    if version != _FORMAT:
        raise DataError(
            f"the state has records of format {version}, this version reads {_FORMAT}: export it with the version that "
            "wrote it, and import it with this one"
        )
    start = _HEADER.size
    user, items, names, older = orjson.loads(memoryview(value)[start + _BYTES_AN_EVENT * count :])
    codes_L = np.frombuffer(value, np.uint16, count, start + 16 * count)
    types = [names[0]] * count if len(names) == 1 else [names[code] for code in codes_L.tolist()]
    return UserState(
        user=user,
        items=items,
        types=types,
        times_L=np.frombuffer(value, np.int64, count, start),
        identities_L=np.frombuffer(value, np.int64, count, start + 8 * count),
        older=older,
    )


@dataclass(slots=True)
class Record:
    """The events of one user while some are added."""

    user: Id
    items: list[Id]
    types: list[str | None]
    times: list[int]
    identities: list[int]
    older: dict[Id, None]

    @classmethod
    def of(cls, user: Id, value: bytes | None) -> Record:
        """From a stored value; None: nothing so far."""
        if value is None:
            return cls(user, [], [], [], [], {})
        known = read(value)
        times, identities = known.times_L.tolist(), known.identities_L.tolist()
        return cls(user, list(known.items), list(known.types), times, identities, dict.fromkeys(known.older))

    def add(self, events: Sequence[StateEvent]) -> list[bool]:
        """Add events of this user, one after another; whether each is new, as `State.append` says."""
        known = set(self.identities)
        return [self._add(event, known) for event in events]

    def _add(self, event: StateEvent, known: set[int]) -> bool:
        identity = identity_of(event)
        if identity in known:
            return False
        if len(self.times) == MOST_EVENTS and event.time <= self.times[0]:
            self.see([event.item])
            return False
        place = bisect_right(self.times, event.time)
        self.items.insert(place, event.item)
        self.types.insert(place, event.type)
        self.times.insert(place, event.time)
        self.identities.insert(place, identity)
        known.add(identity)
        if len(self.times) > MOST_EVENTS:
            self.see(self.items[:1])
            known.discard(self.identities[0])
            for values in (self.items, self.types, self.times, self.identities):
                del values[0]
        return True

    def see(self, items: Sequence[Id]) -> None:
        """Let these be among the older items, of which the ones that came last are kept."""
        self.older.update(dict.fromkeys(items))
        while len(self.older) > MOST_OLDER:
            del self.older[next(iter(self.older))]

    def value(self) -> bytes:
        """What is stored."""
        names = list(dict.fromkeys(self.types))
        code = {name: place for place, name in enumerate(names)}
        return b"".join(
            [
                _HEADER.pack(_FORMAT, len(self.times)),
                np.array(self.times, np.int64).tobytes(),
                np.array(self.identities, np.int64).tobytes(),
                np.array([code[kind] for kind in self.types], np.uint16).tobytes(),
                orjson.dumps([self.user, self.items, names, list(self.older)]),
            ]
        )
