"""Ids and values that a bundle knows: for documentation, warm-up, input examples and the first request."""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist.bundle.read import Bundle
from shortlist.features.base import Transform, VocabularyTransform
from shortlist.features.numeric import Numeric
from shortlist.funnel.filters.columns import kind_of
from shortlist.funnel.filters.parse import MOST_CHARACTERS
from shortlist.schema import Side
from shortlist.schema.columns import ROW_SIDES

SAMPLE = "sample.json"
"""File of a bundle with answers that it gave when it was made: see `parity_sample`."""


def typical_users(bundle: Bundle, count: int) -> list[int | str]:
    """Users in the middle by number of events: the most active one may have seen everything."""
    if not bundle.schema.has_users:
        return []
    middle = len(bundle.user_keys) // 2
    ids: list[int | str] = bundle.user_keys[max(middle, 1) : middle + count].to_pylist()
    return ids


def popular_items(bundle: Bundle, count: int) -> list[int | str]:
    """Items that many met."""
    rows = np.flatnonzero(bundle.eligible_I)[:count]
    ids: list[int | str] = bundle.item_keys.take(rows).to_pylist()
    return ids


def sample_filter(bundle: Bundle) -> str | None:
    """A filter by the first column of text that several items share: what the most popular of them has."""
    batch = bundle.attributes
    for name, column in [] if batch is None else zip(batch.schema.names, batch.columns, strict=True):
        if kind_of(column.type) == "text" and 0 < len(column.dictionary) < len(column) - column.null_count:
            quoted = column.dictionary[0].as_py().replace("\\", "\\\\").replace('"', '\\"')
            found = f'`{name}` = "{quoted}"'
            if len(found) <= MOST_CHARACTERS and "`" not in name:
                return found
    return None


def sample_row(bundle: Bundle) -> dict[str, Any]:
    """One row with a value for every column that a feature reads."""
    return {name: value for side in ROW_SIDES for name, value in sample_values(bundle, side).items()}


def sample_values(bundle: Bundle, side: Side) -> dict[str, Any]:
    """A value by column of one side; without the timestamp, which is now when it is left out."""
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
