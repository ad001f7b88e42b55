"""What a state refuses, before anything of a batch is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shortlist.core.errors import RequestError
from shortlist.state.base import LONGEST_ID, MOST_SKEW_S, StateEvent

_INT64 = range(-(2**63), 2**63)
_FIRST_SECOND = -62_135_596_800
"""The year 1."""


def check_events(events: Sequence[StateEvent]) -> None:
    """RequestError for the first event that cannot be."""
    latest = int(time.time()) + MOST_SKEW_S
    for place, event in enumerate(events):
        where = f"events[{place}]"
        check_id(event.user, f"{where}.user")
        check_id(event.item, f"{where}.item")
        for name, text in (("type", event.type), ("event_id", event.event_id)):
            if text is not None:
                _check_text(text, f"{where}.{name}")
        if not _FIRST_SECOND <= event.time <= latest:
            raise RequestError(
                f"{where}.time: expected a time at most a day ahead of this machine's clock, that is {latest} in Unix "
                f"seconds, found {event.time}. Is it in another unit, such as milliseconds, or is a clock wrong?"
            )


def check_id(given: Any, where: str = "id") -> None:
    """RequestError for what is no id."""
    if isinstance(given, str):
        _check_text(given, where)
    elif isinstance(given, bool) or not isinstance(given, int) or given not in _INT64:
        raise RequestError(f"{where}: expected an integer of 64 bits or text, found {given!r}")


def features_json(features: Mapping[str, Any]) -> bytes:
    """The features as JSON; RequestError for what JSON does not have."""
    try:
        return orjson.dumps(features)
    except TypeError as error:
        raise RequestError(f"features: expected JSON values by column, found what JSON cannot say: {error}") from error


def _check_text(given: Any, where: str) -> None:
    if not isinstance(given, str):
        raise RequestError(f"{where}: expected text, found {given!r}")
    if len(given) > LONGEST_ID:
        raise RequestError(f"{where}: expected text of at most {LONGEST_ID:,} characters, found {len(given):,}")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"{where}: expected text, found half a surrogate pair in {given!r}") from error
