"""What a person can ask of a bundle: users to try, types of events, columns to filter by, a row to predict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict

from shortlist.bundle.recommender import Recommender
from shortlist.bundle.sample import sample_row, typical_users
from shortlist.bundle.similar import comparing
from shortlist.features.base import Transform, VocabularyTransform
from shortlist.funnel.filters.columns import kind_of
from shortlist.funnel.filters.write import equals, has
from shortlist.schema import Side
from shortlist.schema.columns import PAST_TYPE, ROW_SIDES
from shortlist.serving.answers import BundleLabel

MOST_USERS = 12
MOST_TYPES = 5
"""Of events."""
MOST_CHOICES = 20
"""Values of one column."""

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)
_CHOSEN_FROM = ("text", "truth value", "several texts")

IdType = Literal["int", "text"]
Value = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that items have."""

    __pydantic_config__ = _DOCUMENTED

    value: str
    items: int
    """How many have it."""
    filter: str
    """Keeps those."""


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """A column of the items, some of whose values are shared by many."""

    __pydantic_config__ = _DOCUMENTED

    name: str
    choices: list[Choice]
    """The commonest values first."""


@dataclass(frozen=True, slots=True)
class RowColumn:
    """A column of a click log."""

    __pydantic_config__ = _DOCUMENTED

    name: str
    value: Value | None
    """One that the bundle knows."""
    choices: list[Value]
    """Others, the commonest first; none of a column of numbers."""


@dataclass(frozen=True, slots=True)
class AboutAnswer:
    """What can be asked."""

    __pydantic_config__ = _DOCUMENTED

    bundle: BundleLabel
    user_ids: IdType | None
    """What the ids of users are; null: the bundle knows no users."""
    item_ids: IdType | None
    """What the ids of items are; null: there are no items, `/v1/rank` predicts rows."""
    users: list[int | str]
    """Some that the bundle knows, with typically long histories."""
    event_types: list[int | str]
    """The commonest first; none where the log does not tell them apart."""
    can_filter: bool
    columns: list[FilterColumn]
    """What a choice of items can be made by; a `filter` may read other columns too."""
    has_similar: bool
    """Whether items have vectors to be compared."""
    keeps_events: bool
    """Whether `/v1/events` has a place to keep them."""
    row: list[RowColumn]
    """Of a log without items, a row to predict."""


def about(recommender: Recommender, label: BundleLabel) -> AboutAnswer:
    """What can be asked of a recommender."""
    bundle, schema = recommender.bundle, recommender.bundle.schema
    has_items = schema.has_items and len(bundle.items) > 1
    attributes = bundle.attributes if has_items else None
    return AboutAnswer(
        bundle=label,
        user_ids=_id_type(schema.id_types.get("user")) if schema.has_users else None,
        item_ids=_id_type(schema.id_types.get("item")) if has_items else None,
        users=typical_users(bundle, MOST_USERS),
        event_types=[value for past in _past_types(recommender) for value in _commonest(past, MOST_TYPES)],
        can_filter=attributes is not None,
        columns=[] if attributes is None else list(_filter_columns(attributes)),
        has_similar=comparing(recommender.sources) is not None,
        keeps_events=recommender.state is not None,
        row=[] if has_items or not bundle.has_ranking else list(_row_columns(recommender)),
    )


def _id_type(name: str | None) -> IdType:
    return "int" if name == "int" else "text"


def _past_types(recommender: Recommender) -> Iterator[Transform]:
    return (each for each in recommender.bundle.encoders[Side.PAST].transforms if each.name == PAST_TYPE)


def _commonest(transform: Transform, most: int) -> list[int | str]:
    """Values that a transform knows: their rows are in the order of how common they are."""
    if not isinstance(transform, VocabularyTransform):
        return []
    rows = range(1, min(most + 1, transform.vocabulary.size))
    values: list[int | str] = transform.vocabulary.value_of_rows(list(rows)).to_pylist()
    return values


def _filter_columns(attributes: pa.RecordBatch) -> Iterator[FilterColumn]:
    for name, column in zip(attributes.schema.names, attributes.columns, strict=True):
        kind = kind_of(column.type)
        if kind in _CHOSEN_FROM and "`" not in name:
            values = column[1:].flatten() if kind == "several texts" else column[1:]
            choices = _choices(name, values, kind)
            if choices:
                yield FilterColumn(name, choices)


def _choices(name: str, values: pa.Array, kind: str) -> list[Choice]:
    """None where hardly two items share a value, as with names: there is nothing to choose by."""
    counts = pc.value_counts(values.drop_null())
    if len(counts) == 0 or 2 * len(counts) > len(values):
        return []
    order = pc.sort_indices(counts.field("counts"), sort_keys=[("", "descending")])[:MOST_CHOICES]
    text = has if kind == "several texts" else equals
    commonest = counts.take(order).to_pylist()
    return [Choice(_shown(one["values"]), one["counts"], text(name, one["values"])) for one in commonest]


def _shown(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _row_columns(recommender: Recommender) -> Iterator[RowColumn]:
    bundle = recommender.bundle
    transforms = {each.column: each for side in ROW_SIDES for each in bundle.encoders[side].transforms}
    for name, value in sample_row(bundle).items():
        yield RowColumn(name, value, list(_commonest(transforms[name], MOST_CHOICES)))
