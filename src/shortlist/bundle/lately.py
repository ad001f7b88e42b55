"""What users did since the bundle was made, as the bundle's rows: the events of a state beside those of the log.

Legend: U users, n events of all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.bundle.read import Bundle
from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, FeatureTable, Ints, Longs, RaggedBag
from shortlist.features.values import array_of, kind_of
from shortlist.schema import Side
from shortlist.schema.columns import PAST_TYPE
from shortlist.state.base import Id, State, UserState

States = Sequence[UserState | None]

_MOST_ROWS = 200_000
"""Ids whose rows a process keeps at hand."""


class Lately:
    """A state, read for the users of requests."""

    def __init__(self, bundle: Bundle, state: State) -> None:
        self.bundle = bundle
        self.state = state
        self._item_rows = _Rows(bundle.item_vocabulary.rows_of)
        self._type_rows = _Rows(self._look_up_types) if _has_types(bundle) else None

    def users(self, users: Sequence[Id | None]) -> States:
        """What the state knows of each user; None where that is nothing. StateFault where it cannot be read."""
        kind = self.bundle.schema.id_types.get("user", "text")
        return [None if user is None else self.state.user(_of_type(user, kind)) for user in users]

    def after(self, known: Events, states: States) -> Events:
        """The events that the bundle knows of, with those of the state that it does not: each user's by time.

        Of the same second the bundle's come first. An event that both know, the same item in the same second, is one.
        Events of unknown items are left out.
        """
        told = [state for state in states if state is not None]
        if not any(len(state.items) for state in told):
            return known
        counts_U = [0 if state is None else len(state.items) for state in states]
        user_n = np.repeat(np.arange(len(states)), counts_U)
        item_n = self._item_rows([item for state in told for item in state.items])
        time_n = np.concatenate([state.times_L for state in told])
        type_n = None if self._type_rows is None else self._type_rows([kind for one in told for kind in one.types])
        last_U = _last(known)
        early_n = time_n <= last_U[user_n]
        kept_n = (item_n > 0) & ~_held(known, user_n, time_n, item_n, early_n)
        kept = np.flatnonzero(kept_n)
        offsets = np.searchsorted(user_n[kept], np.arange(len(states) + 1)).astype(np.int64)
        bag = RaggedBag(item_n[kept], offsets)
        both = known.then(Events(bag, time_n[kept], None if type_n is None else type_n[kept]))
        return _by_time(both) if (early_n & kept_n).any() else both

    def older(self, states: States) -> RaggedBag:
        """Items that each user met before the events that the state keeps."""
        rows = [np.zeros(0, np.int32) if state is None else self._item_rows(state.older) for state in states]
        return RaggedBag.of([rows_n[rows_n > 0] for rows_n in rows])

    def features(self, user_U: Ints, states: States) -> FeatureRows:
        """User features: the state's where it has any, else the bundle's. What the state leaves out is missing."""
        users = self.bundle.users
        given = {
            place: state.features
            for place, state in enumerate(states)
            if state is not None and state.features is not None
        }
        if not given:
            return users.take(user_U)
        encoder = self.bundle.encoders[Side.USER]
        bags = {name: bag.rows(user_U) for name, bag in users.bags.items()}
        known = FeatureTable(users.ids_nF[user_U], users.numbers_nN[user_U], bags)
        for places in _of_one_kind(given):
            batch = encoder.batch([given[place] for place in places], user_U[places])
            known = known.with_rows(np.array(places), encoder.apply(batch))
        return known.take(np.arange(len(user_U)))

    def _look_up_types(self, types: Sequence[Id | None]) -> Ints:
        column = self.bundle.recipe.schema_.event
        assert column is not None
        batch = pa.record_batch({column: array_of(types)})
        return self.bundle.encoders[Side.PAST].apply(batch).ids_nF[:, 0]


class _Rows:
    """Rows of ids, those asked for lately at hand.

    A state tells ids, and finding one among a million takes microseconds: a user of a thousand events would take
    milliseconds at every request.
    """

    def __init__(self, look_up: Callable[[Sequence[Id | None]], Ints]) -> None:
        self._look_up = look_up
        self._rows: dict[Id | None, int] = {}

    def __call__(self, ids: Sequence[Id | None]) -> Ints:
        rows = self._rows
        if len(rows) > _MOST_ROWS:
            rows = self._rows = {}
        missing = [given for given in dict.fromkeys(ids) if given not in rows]
        if missing:
            found = self._look_up(missing).tolist()
            # Unknown ids are not kept: anybody can make them up, of any length and number.
            rows.update((given, row) for given, row in zip(missing, found, strict=True) if row)
        return np.fromiter((rows.get(given, 0) for given in ids), np.int32, len(ids))


def _of_one_kind(given: Mapping[int, Mapping[str, Any]]) -> Iterable[list[int]]:
    """The places of those that can be encoded together: what one user's list means is not for another's text to say."""
    places = defaultdict[Hashable, list[int]](list)
    for place, features in given.items():
        places[frozenset((name, kind_of(value)) for name, value in features.items())].append(place)
    return places.values()


def _has_types(bundle: Bundle) -> bool:
    return any(column.name == PAST_TYPE for column in bundle.schema.side(Side.PAST))


def _of_type(user: Id, kind: str) -> Id:
    """The id as the bundle has it: a state tells integers from text, the bundle's look-up does not."""
    if kind == "text":
        return str(user)
    try:
        return int(user)
    except ValueError:
        return user


def _last(known: Events) -> Longs:
    """When each user's last known event was; before all times where there is none."""
    last_U = np.full(len(known), np.iinfo(np.int64).min)
    some_U = known.counts() > 0
    last_U[some_U] = known.times[known.items.offsets_n[1:][some_U] - 1]
    return last_U


def _held(
    known: Events, user_n: Longs, time_n: Longs, item_n: Ints, early_n: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Which of the events the bundle has; only those that are `early` can be such."""
    held_n = np.zeros(len(user_n), bool)
    if early_n.any():
        user_k, item_k = known.items.flat()
        asked_k = np.isin(user_k, user_n[early_n])
        there = set(zip(*(values[asked_k].tolist() for values in (user_k, known.times, item_k)), strict=True))
        asked = zip(user_n[early_n].tolist(), time_n[early_n].tolist(), item_n[early_n].tolist(), strict=True)
        held_n[early_n] = [event in there for event in asked]
    return held_n


def _by_time(events: Events) -> Events:
    order = np.lexsort((events.times, events.items.flat()[0]))
    types = None if events.types is None else events.types[order]
    return Events(RaggedBag(events.items.values[order], events.items.offsets_n), events.times[order], types)
