"""What a state is, whatever holds it.

Legend: L events of a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shortlist.core.errors import EnvironmentFault

Id = int | str
Longs = npt.NDArray[np.int64]

MOST_EVENTS = 1_000
"""Latest events of a user that are kept."""
MOST_OLDER = 10_000
"""Items of a user that are kept of the events before those."""
MOST_SKEW_S = 86_400
"""How far ahead of this machine's clock an event may be."""
LONGEST_ID = 1_000
"""Characters of an id, of a type and of an event's id."""


class StateFault(EnvironmentFault):
    """The state cannot be read or written now."""


@dataclass(frozen=True, slots=True)
class StateEvent:
    """Something that a user did."""

    user: Id
    item: Id
    time: int
    """Unix seconds."""
    type: str | None = None
    """As the column that `schema.event` names has it, as text."""
    event_id: str | None = None
    """Two events of a user with the same id are one; without it those of the same item, type and second."""
    identity: int | None = None
    """What `identity_of` made of the event when it was first stored; told only when a state is imported."""


@dataclass(frozen=True, slots=True)
class UserState:
    """What is known of one user."""

    user: Id
    items: Sequence[Id]
    """Of the latest events, oldest first; those of one second as they arrived."""
    types: Sequence[str | None]
    """Of the same events."""
    times_L: Longs
    """Unix seconds of the same events."""
    identities_L: Longs
    """By which each of them is told from the others."""
    older: Sequence[Id] = ()
    """Items of events before those, each once."""
    features: Mapping[str, Any] | None = None
    """By source column; None where nobody has set any."""


Snapshot = Callable[[], Iterator[UserState]]
"""Every user with events or features, as often as it is called."""


class State(Protocol):
    """A place where events are kept. Safe to use from several threads; several processes may share the place."""

    @property
    def address(self) -> str:
        """What `open_state` takes."""

    def append(self, events: Sequence[StateEvent]) -> list[bool]:
        """Keep all of these, or after an error none; returns once they are durable.

        False for an event that changes no history: it is there already, or it is older than the `MOST_EVENTS` latest
        of its user, among which those that were there and those that never were cannot be told apart. Its item counts
        as seen all the same. RequestError for an event that cannot be, StateFault where the place cannot be written.
        """

    def user(self, user: Id) -> UserState | None:
        """What is known of a user; None if nothing is."""

    def set_features(self, user: Id, features: Mapping[str, Any] | None) -> None:
        """Replace what is known of a user beside the events; None takes it back. Values are JSON's."""

    def add_older(self, user: Id, items: Sequence[Id]) -> None:
        """Let a user have seen these before the events of the history, as an import does."""

    def counts(self, item: Id) -> dict[str | None, int]:
        """How many events of each type the item has had; duplicates and events too old to tell are not counted."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """All users while others write. With LMDB as they were at one moment; with Redis each as at one moment."""

    def close(self) -> None:
        """Let go of the place."""
