"""The events that a request tells of: items, with their types and times where it knows them.

Legend: U requests, n events of all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.bundle.checks import check_items
from shortlist.bundle.read import Bundle
from shortlist.bundle.times import seconds_told
from shortlist.core.errors import RequestError
from shortlist.features.past import Events
from shortlist.features.rows import Ints, Longs, RaggedBag
from shortlist.features.values import array_of
from shortlist.schema import Side
from shortlist.schema.columns import PAST_TYPE


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a user did lately, as a request tells it."""

    item: int | str
    type: Any = None
    """As the column that `schema.event` names has it; one that never occurs there, or None, is an unknown type."""
    time: Any = None
    """In the log's own unit, or as text in ISO 8601; at most a day ahead of this machine's clock. None: the
    time of the request."""


def parse_events(text: str) -> list[Event]:
    """A history as JSON: a list of items, or of objects such as `{"item": 12, "type": "cart", "time": 1700000000}`.

    RequestError for anything else.
    """
    try:
        events = [Event(**given) if isinstance(given, dict) else Event(given) for given in _as_list(json.loads(text))]
        return [_with_item(event) for event in events]
    except (TypeError, ValueError) as error:
        raise RequestError(
            f'history: expected JSON such as [12, {{"item": 17, "type": "cart"}}], found {text!r}: {error}'
        ) from error


def _as_list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise TypeError("it is no list")
    return given


def _with_item(event: Event) -> Event:
    if isinstance(event.item, bool) or not isinstance(event.item, int | str):
        raise TypeError(f"{event.item!r} is no item")
    return event


def read_events(bundle: Bundle, lists: Sequence[Sequence[Event | int | str]], time_U: Longs) -> Events:
    """The events of each request in the order given, those of unknown items left out.

    RequestError for what is neither an item's id nor an Event, for what is no time or lies ahead, and for a type where
    the log has none.
    """
    items = [[given.item if isinstance(given, Event) else given for given in each] for each in lists]
    check_items(
        items, bundle.schema.id_types.get("item", "text"), "history", ", or a shortlist.Event(item, type, time)"
    )
    events = [given if isinstance(given, Event) else Event(given) for each in lists for given in each]
    user_n = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    item_n = bundle.item_vocabulary.rows_of([event.item for event in events])

    def where(n: int) -> str:
        u = int(user_n[n])
        return f"history[{u}][{n - int(np.searchsorted(user_n, u))}].time"

    told_n, is_told_n = seconds_told([event.time for event in events], bundle.schema.time_unit, where, is_past=True)
    type_n = type_rows(bundle, [event.type for event in events])
    kept = np.flatnonzero(item_n > 0)
    return Events(
        RaggedBag(item_n[kept], np.searchsorted(user_n[kept], np.arange(len(lists) + 1)).astype(np.int64)),
        np.where(is_told_n, told_n, time_U[user_n])[kept],
        None if type_n is None else type_n[kept],
    )


def type_rows(bundle: Bundle, types: Sequence[Any]) -> Ints | None:
    """Rows of the column of types, that of None for one that it does not know; None where there is no such column."""
    if all(column.name != PAST_TYPE for column in bundle.schema.side(Side.PAST)):
        for given in types:
            if given is not None:
                raise RequestError(
                    f"history: an event has the type {given!r}, and this bundle's recipe names no schema.event: leave "
                    "the types out",
                    "history",
                    given,
                )
        return None
    column = bundle.recipe.schema_.event
    assert column is not None
    batch = pa.record_batch({column: array_of(list(types))})
    return bundle.encoders[Side.PAST].apply(batch).ids_nF[:, 0]
