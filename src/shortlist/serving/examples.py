"""Requests that work, of the bundle's own ids and values: for documentation, warm-up and the first curl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.bundle.read import Bundle
from shortlist.bundle.sample import popular_items, sample_filter, sample_row, sample_values, typical_users
from shortlist.schema import Side

Bodies = Mapping[str, Mapping[str, Any]]
"""Request bodies by what each shows."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Bodies for each route, the plainest first; none for a route that the bundle cannot answer."""

    recommend: Bodies
    rank: Bodies
    events: Bodies

    @classmethod
    def of(cls, bundle: Bundle) -> Examples:
        """The examples for one bundle."""
        if not bundle.schema.has_items or len(bundle.items) < 2:
            return cls({}, {"rows of a click log": {"rows": [sample_row(bundle)]}} if bundle.has_ranking else {}, {})
        user, items = _typical_user(bundle), popular_items(bundle, 5)
        context = sample_values(bundle, Side.CONTEXT)
        visitor = {"history": items[:2], **({"context": context} if context else {}), "n": 5}
        known = {"a known user": {**user, "n": 5}} if user else {}
        somebody = {"a visitor with a history": visitor}
        # Who asks is hardly ever a session of the log: that of another visit is new.
        of_sessions = bundle.recipe.schema_.session_id is not None
        return cls(
            {
                **(somebody | known if of_sessions else known | somebody),
                **_filtered(bundle, user),
                "a choice of candidates": {**user, "candidates": items, "n": 3, "exclude_seen": False},
            },
            {"candidates in order": {**user, "candidates": items}},
            {"what a user did": {"events": [{**user, "item": item} for item in items[:2]]}} if user else {},
        )


def _filtered(bundle: Bundle, user: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    filtered = sample_filter(bundle)
    return {} if filtered is None else {"a filter, with reasons": {**user, "filter": filtered, "n": 3, "explain": True}}


def _typical_user(bundle: Bundle) -> dict[str, Any]:
    users = typical_users(bundle, 1)
    return {"user_id": users[0]} if users else {}
