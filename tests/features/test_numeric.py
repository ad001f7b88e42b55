"""Numeric: each transform by hand, against loops, and on what is not a number."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.core.errors import DataError
from shortlist.features.numeric import Numeric
from shortlist.features.statistics import Moments, Quantiles, Statistics
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


def price(transform: str, statistics: Statistics) -> Numeric:
    spec = recipe.Numeric.model_validate({"transform": transform})
    return Numeric.fit(Side.ITEM, "price", spec, statistics)


def encoded(feature: Numeric, values: object) -> list[float]:
    (out,) = feature.apply(values if isinstance(values, pa.Array) else pa.array(values))
    return [float(x) for x in out]


STRANGE = [None, math.nan, math.inf, -math.inf]


def test_standardise_by_hand() -> None:
    feature = price("standardise", Moments(4, 1, 10.0, 4.0))
    assert encoded(feature, [10.0, 14.0, 2.0, *STRANGE]) == [0.0, 1.0, -2.0, 0, 0, 0, 0]
    assert feature.columns() == (Column(name="item.price", side=Side.ITEM, kind=Kind.NUMBER),)
    assert feature.apply(pa.array([1]))[0].dtype == np.float32


def test_log_by_hand() -> None:
    feature = price("log", Moments(4, 1, 1.0, 0.5))
    expected = [(math.log(8) - 1) / 0.5, (-math.log(3) - 1) / 0.5, -2.0, 0, 0, 0, 0]
    assert encoded(feature, [7.0, -2.0, 0.0, *STRANGE]) == pytest.approx(expected, rel=1e-6)


def test_none_keeps_the_number_and_fills_in_the_mean() -> None:
    feature = price("none", Moments(4, 1, 10.5, 4.0))
    assert encoded(feature, [3.0, -1.25, *STRANGE]) == [3.0, -1.25, 10.5, 10.5, 10.5, 10.5]


def test_bucketise_by_hand() -> None:
    feature = price("bucketise", Quantiles((1.0, 2.0, 2.0, 5.0)))
    assert feature.boundaries == (1.0, 2.0, 5.0)
    values = [0.9, 1.0, 1.5, 2.0, 4.9, 5.0, 99.0, *STRANGE]
    assert encoded(feature, values) == [1, 2, 2, 3, 3, 4, 4, 0, 0, 0, 0]
    assert feature.columns() == (Column(name="item.price", side=Side.ITEM, kind=Kind.FIELD, size=5),)
    assert feature.apply(pa.array([1]))[0].dtype == np.int32


@given(
    boundaries=st.lists(st.integers(-50, 50), max_size=8),
    values=st.lists(st.none() | st.integers(-60, 60), min_size=1, max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_bucketise_equals_the_naive_loop(boundaries: list[int], values: list[int | None]) -> None:
    feature = price("bucketise", Quantiles(tuple(float(b) for b in sorted(boundaries))))
    expected = [0 if v is None else 1 + sum(b <= v for b in set(boundaries)) for v in values]
    assert encoded(feature, pa.array(values, pa.int64())) == expected
    assert max(expected) < feature.columns()[0].size


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
@settings(max_examples=100, deadline=None)
def test_standardised_training_rows_have_mean_0_and_deviation_1(values: list[float]) -> None:
    mean, deviation = float(np.mean(values)), float(np.std(values))
    if deviation <= 1e-6 * abs(mean):
        return
    out = np.array(encoded(price("standardise", Moments(len(values), 0, mean, deviation)), values), np.float64)
    assert out.mean() == pytest.approx(0, abs=1e-4)
    assert out.std() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "values",
    [pa.array([14]), pa.array([14], pa.uint8()), pa.array(["14.0"]), pa.array([14.0], pa.float32())],
)
def test_type_of_the_column_does_not_matter(values: pa.Array) -> None:
    assert encoded(price("standardise", Moments(4, 0, 10.0, 4.0)), values) == [1.0]


@pytest.mark.parametrize("transform", ["standardise", "log", "none"])
def test_text_lists_and_nulls_are_missing(transform: str) -> None:
    feature = price(transform, Moments(4, 0, 10.0, 4.0))
    missing = 10.0 if transform == "none" else 0.0
    for values in (pa.array(["", "ten", None]), pa.array([[1.0]] * 3), pa.nulls(3)):
        assert encoded(feature, values) == [missing] * 3


@pytest.mark.parametrize("transform", ["standardise", "log", "none"])
def test_huge_numbers_stay_finite_float32(transform: str) -> None:
    feature = price(transform, Moments(4, 0, 0.0, 1e-3))
    out = encoded(feature, [1e300, -1e300, 1.7e308, -1.7e308])
    assert all(math.isfinite(x) for x in out)
    assert out[0] > 0 > out[1]


def test_constant_and_empty_columns_are_0() -> None:
    constant = price("standardise", Moments(5, 0, 123_456_789.0, 0.0))
    assert encoded(constant, [123_456_789.0, None]) == [0.0, 0.0]
    noise = price("standardise", Moments(5, 0, 0.1, 1e-17))
    assert encoded(noise, [0.1, None]) == pytest.approx([0.0, 0.0], abs=1e-6)
    empty = price("standardise", Moments(0, 5, 0.0, 0.0))
    assert encoded(empty, [None, math.nan]) == [0.0, 0.0]
    assert price("bucketise", Quantiles(())).columns()[0].size == 2
    assert encoded(price("bucketise", Quantiles(())), [3.0, None]) == [1, 0]


def test_sums_in_another_order_give_the_same_state() -> None:
    random = np.random.default_rng(3)
    values = random.lognormal(3, 1, 10_001)
    forwards, backwards = float(np.cumsum(values)[-1]), float(np.cumsum(values[::-1])[-1])
    assert forwards != backwards
    deviation = float(values.std())
    states = [
        price("standardise", Moments(10_001, 0, total / 10_001, deviation * (1 + noise))).state()
        for total, noise in ((forwards, 0), (backwards, 1e-15))
    ]
    assert states[0] == states[1]
    assert states[0]["deviation"] == float(f"{deviation:.6g}")


def test_rounding_keeps_a_small_spread_far_from_0() -> None:
    times = price("standardise", Moments(5, 0, 1_600_000_000.25, 2.0))
    assert encoded(times, [1_600_000_002.25]) == [1.0]
    buckets = price("bucketise", Quantiles((1_600_000_000.0, 1_600_000_001.0, 1_600_000_002.0)))
    assert len(buckets.boundaries) == 3
    long_tail = price("bucketise", Quantiles((0.001, 0.0021234567, 1e6)))
    assert long_tail.boundaries == (0.001, 0.00212346, 1e6)


@pytest.mark.parametrize("moments", [Moments(2, 0, math.inf, math.nan), Moments(2, 0, 1e200, math.inf)])
def test_infinite_moments_are_refused_with_what_to_do(moments: Moments) -> None:
    with pytest.raises(DataError, match=r'features\.item\.price.*column `price`.*transform = "bucketise"'):
        price("standardise", moments)
