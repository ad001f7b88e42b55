"""Timestamp parts against the calendar of the standard library."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.timestamp import Timestamp
from shortlist.recipe import features as recipe
from shortlist.schema import Kind, Side

time = Timestamp.fit(Side.CONTEXT, "time", recipe.Timestamp(), None)


def parts(values: pa.Array) -> list[list[int]]:
    return [part.tolist() for part in time.apply(values)]


def test_columns_are_named_by_their_part() -> None:
    assert [(c.name, c.size, c.kind) for c in time.columns()] == [
        ("context.time.hour", 25, Kind.FIELD),
        ("context.time.weekday", 8, Kind.FIELD),
        ("context.time.month", 13, Kind.FIELD),
    ]


def test_by_hand() -> None:
    """Thursday 1970-01-01 00:00:00, Tuesday 2000-02-29 12:34:56, Wednesday 1969-12-31 23:59:59."""
    assert parts(pa.array([0, 951_827_696, -1])) == [[1, 13, 24], [4, 2, 3], [1, 2, 12]]


def test_only_the_parts_asked_for_in_their_order() -> None:
    feature = Timestamp.fit(Side.USER, "joined", recipe.Timestamp(parts=("month", "hour")), None)
    assert [column.name for column in feature.columns()] == ["user.joined.month", "user.joined.hour"]
    assert [part.tolist() for part in feature.apply(pa.array([951_827_696]))] == [[2], [13]]


@given(seconds=st.lists(st.integers(-62_135_596_800, 253_402_300_799), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_equals_the_calendar_of_the_standard_library(seconds: list[int]) -> None:
    epoch = np.datetime64(0, "s")
    moments = [(epoch + np.timedelta64(s, "s")).astype(datetime).replace(tzinfo=UTC) for s in seconds]
    assert parts(pa.array(seconds)) == [
        [1 + moment.hour for moment in moments],
        [1 + moment.weekday() for moment in moments],
        [moment.month for moment in moments],
    ]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([None, math.nan, math.inf, -math.inf]),
        pa.array(["", "soon", None, "2000-13-01"]),
        pa.array([253_402_300_800, 1_600_000_000_000, -62_135_596_801, 2**62]),
        pa.nulls(4),
    ],
)
def test_what_is_no_time_is_missing(values: pa.Array) -> None:
    assert parts(values) == [[0] * 4] * 3


@pytest.mark.parametrize(
    "values",
    [
        pa.array([951_827_696.9]),
        pa.array(["951827696"]),
        pa.array(["2000-02-29T12:34:56Z"]),
        pa.array([datetime(2000, 2, 29, 12, 34, 56)], pa.timestamp("ns")),
    ],
)
def test_the_same_moment_in_other_forms(values: pa.Array) -> None:
    assert parts(values) == [[13], [2], [2]]
