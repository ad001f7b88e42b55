"""Which requests may be asked in one call: those of which each gets the answer that it would have got by itself."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from shortlist.features.values import kind_of
from shortlist.serving.bodies import EventBody, RecommendBody, Values


def alike(body: RecommendBody[Any, Any]) -> Hashable | None:
    """What requests must have in common; None for one that is asked by itself.

    One call has one length of lists, one filter and one diversity, and its columns have one type each. A seed draws the
    list of the first request of a call, and reasons are made for one request after another anyway.
    """
    if body.explain or body.seed is not None:
        return None
    given = tuple(field is not None for field in (body.history, body.exclude, body.candidates))
    # Where the log has no types, whoever tells one is refused: over and over, by a client that always does.
    is_typed = any(isinstance(event, EventBody) and event.type is not None for event in body.history or ())
    kinds = (_kinds(body.context), _kinds(body.user_features))
    return body.n, body.exclude_seen, body.filter, body.diversity, given, is_typed, kinds


def _kinds(values: Values | None) -> Hashable | None:
    return None if values is None else frozenset((name, kind_of(value)) for name, value in values.items())
