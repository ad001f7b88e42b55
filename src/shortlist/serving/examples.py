"""Requests that work, of the bundle's own ids and values: for documentation, warm-up and the first curl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.bundle.read import Bundle
from shortlist.features.base import Transform, VocabularyTransform
from shortlist.features.numeric import Numeric
from shortlist.schema import Side
from shortlist.schema.columns import ROW_SIDES

Bodies = Mapping[str, Mapping[str, Any]]
"""Request bodies by what each shows."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Bodies for each route, the plainest first; none for a route that the bundle cannot answer."""

    recommend: Bodies
    rank: Bodies

    @classmethod
    def of(cls, bundle: Bundle) -> Examples:
        """The examples for one bundle."""
        if not bundle.schema.has_items or len(bundle.items) < 2:
            return cls({}, {"rows of a click log": {"rows": [_row(bundle)]}} if bundle.has_ranking else {})
        user, items = _typical_user(bundle), _popular_items(bundle, 5)
        context = _values(bundle, Side.CONTEXT)
        visitor = {"history": items[:2], **({"context": context} if context else {}), "n": 5}
        return cls(
            {
                **({"a known user": {**user, "n": 5}} if user else {}),
                "a visitor with a history": visitor,
                "a choice of candidates": {**user, "candidates": items, "n": 3, "exclude_seen": False},
            },
            {"candidates in order": {**user, "candidates": items}},
        )


def _typical_user(bundle: Bundle) -> dict[str, Any]:
    """The user in the middle by number of events: the most active one may have seen everything."""
    row = len(bundle.user_keys) // 2
    return {"user_id": bundle.user_keys[row].as_py()} if bundle.schema.has_users and row else {}


def _popular_items(bundle: Bundle, count: int) -> list[int | str]:
    rows = np.flatnonzero(bundle.eligible_I)[:count]
    ids: list[int | str] = bundle.item_keys.take(rows).to_pylist()
    return ids


def _row(bundle: Bundle) -> dict[str, Any]:
    """One row with a value for every column that a feature reads."""
    return {name: value for side in ROW_SIDES for name, value in _values(bundle, side).items()}


def _values(bundle: Bundle, side: Side) -> dict[str, Any]:
    """Without the timestamp, which is now when it is left out."""
    values = {transform.column: _value(transform) for transform in bundle.encoders[side].transforms}
    clock = bundle.recipe.schema_.timestamp if side == Side.CONTEXT else None
    return {name: value for name, value in values.items() if value is not None and name != clock}


def _value(transform: Transform) -> Any:
    """A value that the transform knows; None where its state keeps none."""
    if isinstance(transform, VocabularyTransform) and transform.vocabulary.size > 1:
        return transform.vocabulary.value_of_rows([1])[0].as_py()
    if isinstance(transform, Numeric):
        return transform.boundaries[0] if transform.boundaries else transform.mean
    return None
