"""What is known of one user, in words: for a person who asks why the answers are what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from shortlist.bundle.asking import Asking
from shortlist.bundle.read import Bundle
from shortlist.features.base import Transform, VocabularyTransform
from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows
from shortlist.schema import Column, Kind, Side
from shortlist.schema.columns import PAST_TYPE, USER_ID
from shortlist.state.base import Id


@dataclass(frozen=True, slots=True)
class PastEvent:
    """Something that the user did."""

    item_id: Id
    title: str | None
    type: Id | None
    """As the log has it; None where it says none, and of a type that training never met."""
    time: str | None
    """In ISO 8601, in UTC; None where the log has no times."""
    known_by: Literal["bundle", "state"]
    """Whether the bundle was made with it, or it came later."""


@dataclass(frozen=True, slots=True)
class AboutUser:
    """What recommendations for a user rest on."""

    user_id: Id
    known_by_bundle: bool
    """Whether the bundle was made with events of this user."""
    known_by_state: bool
    """Whether the user did anything since, or has features there."""
    features: dict[str, Any]
    """As the models are told: known values, or None where unknown; numbers as they were scaled; of a column that is
    hashed or cut into buckets, the number of the bucket."""
    events: int
    """How many events there are, of items that the bundle knows."""
    history: list[PastEvent]
    """The latest of them, oldest first."""


def about_user(asking: Asking, user: Id, most: int) -> AboutUser:
    """What is known of `user`, with at most `most` events. StateFault where the state cannot be read."""
    bundle = asking.bundle
    user_U = bundle.user_vocabulary.rows_of([user])
    states = None if asking.lately is None else asking.lately.users([user])
    events = asking.known(user_U, states)
    return AboutUser(
        user_id=user,
        known_by_bundle=bool(user_U[0]),
        known_by_state=states is not None and states[0] is not None,
        features=_features(bundle, asking.users(user_U, states)),
        events=len(events.times),
        history=_history(bundle, events, bundle.histories.events.rows(user_U), most),
    )


def _history(bundle: Bundle, events: Events, of_bundle: Events, most: int) -> list[PastEvent]:
    start = max(len(events.times) - most, 0)
    rows, times = events.items.values[start:], events.times[start:].tolist()
    keys, titles = bundle.item_keys.take(pa.array(rows)).to_pylist(), bundle.titles.take(pa.array(rows)).to_pylist()
    types = [None] * len(rows) if events.types is None else _types(bundle, events.types[start:].tolist())
    there = set(zip(of_bundle.items.values.tolist(), of_bundle.times.tolist(), strict=True))
    return [
        PastEvent(key, title, kind, _shown(bundle, time), "bundle" if (row, time) in there else "state")
        for key, title, kind, row, time in zip(keys, titles, types, rows.tolist(), times, strict=True)
    ]


def _shown(bundle: Bundle, seconds: int) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if bundle.schema.has_time else None


def _types(bundle: Bundle, rows: list[int]) -> list[Any]:
    encoder = bundle.encoders[Side.PAST]
    column, transform = next((c, t) for c, t in _transforms(encoder.transforms) if c.name == PAST_TYPE)
    offset = next(c.offset for c in encoder.columns if c.name == PAST_TYPE)
    assert isinstance(transform, VocabularyTransform), column
    names: list[Any] = transform.vocabulary.value_of_rows(np.array(rows, np.int64) - offset).to_pylist()
    return names


def _features(bundle: Bundle, rows: FeatureRows) -> dict[str, Any]:
    """By the feature's name; the user's own id, which a model may know too, is told already."""
    encoder = bundle.encoders[Side.USER]
    transforms = [transform for _, transform in _transforms(encoder.transforms)]
    places = dict.fromkeys(Kind, 0)
    told: dict[str, Any] = {}
    for column, transform in zip(encoder.columns, transforms, strict=True):
        place, places[column.kind] = places[column.kind], places[column.kind] + 1
        if column.name != USER_ID:
            told[column.name.partition(".")[2]] = _value(column, transform, rows, place)
    return told


def _transforms(transforms: tuple[Transform, ...]) -> Iterator[tuple[Column, Transform]]:
    """Each prepared column with the transform that makes it."""
    return ((column, transform) for transform in transforms for column in transform.columns())


def _value(column: Column, transform: Transform, rows: FeatureRows, place: int) -> Any:
    """One value, or for a bag a list of them."""
    if column.kind == Kind.NUMBER:
        return float(rows.numbers_BN[0, place])
    if column.kind == Kind.FIELD:
        return _named(transform, [int(rows.ids_BF[0, place]) - column.offset])[0]
    bag = rows.bags[column.name]
    return _named(transform, (bag.values_BH[0, : bag.length_B[0]] - column.offset).tolist())


def _named(transform: Transform, rows: list[int]) -> list[Any]:
    """The values that rows stand for; where there is no vocabulary, the rows."""
    if not isinstance(transform, VocabularyTransform):
        return rows
    values: list[Any] = transform.vocabulary.value_of_rows(np.array(rows, np.int64)).to_pylist()
    return values
