"""Hashed: fixed values for ever, and the naive loop."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.hashed import Hashed
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


def zip_code(buckets: int = 10_000) -> Hashed:
    return Hashed.fit(Side.USER, "zip", recipe.Hashed(buckets=buckets), None)


KNOWN = {"90210": 9713, "": 8757, "Zürich": 6369}


def test_rows_never_change() -> None:
    """A changed hash would silently give every trained bundle other rows."""
    row_n = zip_code().apply(pa.array(["90210", "", "Zürich", None, "90210"]))[0]
    assert row_n.tolist() == [KNOWN["90210"], KNOWN[""], KNOWN["Zürich"], 0, KNOWN["90210"]]
    assert row_n.dtype == np.int32


@given(values=st.lists(st.none() | st.text(max_size=5), max_size=30), buckets=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_equals_the_naive_loop(values: list[str | None], buckets: int) -> None:
    expected = []
    for value in values:
        digest = hashlib.blake2b((value or "").encode(), digest_size=8).digest()
        expected.append(0 if value is None else 1 + int.from_bytes(digest, "little") % buckets)
    assert zip_code(buckets).apply(pa.array(values, pa.string()))[0].tolist() == expected


@pytest.mark.parametrize(
    "values",
    [
        pa.array([90210]),
        pa.array([90210.0]),
        pa.array([90210], pa.int32()),
        pa.array(["90210"], pa.large_string()),
    ],
)
def test_type_of_the_column_does_not_matter(values: pa.Array) -> None:
    assert zip_code().apply(values)[0].tolist() == [KNOWN["90210"]]


def test_missing_is_row_0_and_every_bucket_has_a_row() -> None:
    missing = pa.array([None, float("nan"), float("inf")], pa.float64())
    assert zip_code().apply(missing)[0].tolist() == [0, 0, 0]
    row_n = np.asarray(zip_code(7).apply(pa.array(range(500)))[0])
    assert sorted(set(row_n.tolist())) == [1, 2, 3, 4, 5, 6, 7]
    assert zip_code(7).columns() == (Column(name="user.zip", side=Side.USER, kind=Kind.FIELD, size=8),)


def test_slices_and_empty_columns() -> None:
    sliced = pa.array(["x", "90210", None, "y"]).slice(1, 2)
    assert zip_code().apply(sliced)[0].tolist() == [KNOWN["90210"], 0]
    assert zip_code().apply(pa.array([], pa.string()))[0].tolist() == []
    assert zip_code().apply(pa.nulls(2))[0].tolist() == [0, 0]
