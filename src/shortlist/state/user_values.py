"""A user by the two values that a store keeps: events, and features with the id before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson

from shortlist.state.base import Id, UserState
from shortlist.state.record import read


def user_state(user: Id, events: bytes | None, features: bytes | None) -> UserState | None:
    """What is known of the user; None where neither value is there."""
    if events is None and features is None:
        return None
    known = _without_events(user) if events is None else read(events)
    return known if features is None else replace(known, features=orjson.loads(features)[1])


def user_of_values(events: bytes | None, features: bytes | None) -> UserState:
    """The same where the values alone say which user it is; one of them is there."""
    user, values = ("", None) if features is None else orjson.loads(features)
    known = _without_events(user) if events is None else read(events)
    return replace(known, features=values)


def features_value(user: Id, features: bytes) -> bytes:
    """What is stored of features that are JSON already."""
    return b"[" + orjson.dumps(user) + b"," + features + b"]"


def _without_events(user: Id) -> UserState:
    nothing = np.zeros(0, np.int64)
    return UserState(user, [], [], nothing, nothing)
