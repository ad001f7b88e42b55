"""Events over HTTP: what a request may hold, and how they reach the state."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from shortlist.bundle.read import Bundle
from shortlist.bundle.times import seconds_told
from shortlist.core.errors import RequestError
from shortlist.features.values import array_of, as_text
from shortlist.schema import Schema
from shortlist.serving.bodies import DOCUMENTED_BODY, ID_TYPES, ItemId, Text, UserId, Whole
from shortlist.serving.read import path
from shortlist.serving.refusal import Refusal
from shortlist.state import State, StateEvent

MOST_EVENTS = 1000
"""Most events of one request."""


class UserEventBody(BaseModel, Generic[UserId, ItemId]):
    """Something that a user did."""

    model_config = DOCUMENTED_BODY

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The class's own name."""
        return cls.__name__

    user_id: UserId
    """Who did it. It need not be a user that the bundle knows."""
    item: ItemId
    """The item. One that the bundle does not know is kept for a bundle that does."""
    type: Whole | Text | bool | None = None
    """Its type, as the log has it, such as view or cart; left out: unknown."""
    time: Whole | float | Text | None = None
    """When it was: in the log's own unit, or text in ISO 8601; at most a day ahead. Left out: now."""
    event_id: Text | None = None
    """Events of a user with the same id count once. Without it those of the same item, type and second do: an event
    that says neither its id nor its time counts again when it is sent again."""


class EventsBody(BaseModel, Generic[UserId, ItemId]):
    """Events of any users, in any order: all of them are kept, or none."""

    model_config = DOCUMENTED_BODY

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The class's own name."""
        return cls.__name__

    events: Annotated[list[UserEventBody[UserId, ItemId]], Field(min_length=1, max_length=MOST_EVENTS, fail_fast=True)]
    """What happened."""


@dataclass(frozen=True, slots=True)
class EventsAnswer:
    """What became of the events; they are durable."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)

    accepted: int
    """Events that are new."""
    duplicates: int
    """Events that were there already, or are older than the 1,000 latest of their user, among which those that were
    there cannot be told."""
    unknown_items: int
    """How many of all of them are of items that the bundle does not know."""


def events_body(schema: Schema) -> type[EventsBody[Any, Any]]:
    """The body for the id types of a bundle."""
    user, item = (ID_TYPES[schema.id_types.get(side, "text")] for side in ("user", "item"))
    return EventsBody[user, item]  # type: ignore[valid-type]


def append(bundle: Bundle, state: State, given: Sequence[UserEventBody[Any, Any]]) -> EventsAnswer:
    """Keep the events of one request; Refusal for one that cannot be, StateFault where the state cannot be written."""
    types = as_text(array_of([event.type for event in given])).to_pylist()
    try:
        told = zip(given, _seconds(bundle, [event.time for event in given]), types, strict=True)
        is_new = state.append([StateEvent(e.user_id, e.item, at, kind, e.event_id) for e, at, kind in told])
    except RequestError as error:
        raise Refusal.of(error, "events") from error
    unknown = int((bundle.item_vocabulary.rows_of([event.item for event in given]) == 0).sum())
    return EventsAnswer(sum(is_new), len(is_new) - sum(is_new), unknown)


def _seconds(bundle: Bundle, times: Sequence[Any]) -> list[int]:
    """Unix seconds, now where no time is given; RequestError for what is no time, or lies ahead."""
    unit = bundle.schema.time_unit
    read_n, is_told_n = seconds_told(times, unit, lambda place: path("events", place, "time"), is_past=True)
    seconds: list[int] = np.where(is_told_n, read_n, int(time.time())).tolist()
    return seconds
