"""Lenient reading of values: one value, one text, wherever it comes from."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.features.values import array_of, as_floats, as_integers, as_seconds, as_text, kind_of


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array(["a", "", None, "日本"]), ["a", "", None, "日本"]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array([25, None, -3]), ["25", None, "-3"]),
        (pa.array([255], pa.uint8()), ["255"]),
        (pa.array([25.0, None, -0.0, 0.5, 1e20, -1e16]), ["25", None, "0", "0.5", "1e+20", "-1e+16"]),
        (pa.array([float("nan"), float("inf"), -float("inf")]), [None, None, None]),
        (pa.array([0.1, 25.0], pa.float32()), ["0.1", "25"]),
        (pa.array([Decimal("25.00"), Decimal("0.50")]), ["25", "0.5"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([date(2000, 1, 2)]), ["2000-01-02"]),
        (pa.array([b"caf\xc3\xa9"]), ["café"]),
        (pa.array([b"\xff"]), [None]),
        (pa.array([["a"], None]), [None, None]),
        (pa.array([{"a": 1}]), [None]),
        (pa.nulls(2), [None, None]),
        (pa.array([], pa.float64()), []),
    ],
)
def test_text_of_every_type(values: pa.Array, texts: list[str | None]) -> None:
    text = as_text(values)
    assert text.type == pa.string()
    assert text.to_pylist() == texts


def test_the_same_number_has_one_text_from_every_table() -> None:
    sources = [
        pa.array([7]),
        pa.array([7.0]),
        pa.array(["7"]),
        pa.array([7], pa.int8()),
        pa.array([7.0], pa.float32()),
    ]
    assert {as_text(source)[0].as_py() for source in sources} == {"7"}


@pytest.mark.parametrize(
    ("values", "integers"),
    [
        (pa.array([7, None]), [7, None]),
        (pa.array([7, None], pa.int16()), [7, None]),
        (pa.array([7, 2**64 - 1], pa.uint64()), [7, None]),
        (pa.array([7.0, 7.5, None, math.nan]), [7, None, None, None]),
        (pa.array(["7", " -8 ", "+9", "007"]), [7, -8, 9, 7]),
        (pa.array(["", "x", "7.0", "1_000", "0x10", "٣", None]), [None] * 7),
        (
            pa.array([str(2**63 - 1), str(2**63), str(-(2**63)), "9" * 5000]),
            [2**63 - 1, None, -(2**63), None],
        ),
        (pa.array([True]), [None]),
        (pa.array([[7]]), [None]),
        (pa.nulls(1), [None]),
    ],
)
def test_integers_of_every_type(values: pa.Array, integers: list[int | None]) -> None:
    read = as_integers(values)
    assert read.type == pa.int64()
    assert read.to_pylist() == integers


@pytest.mark.parametrize(
    ("values", "floats"),
    [
        (pa.array([1, None]), [1.0, math.nan]),
        (pa.array([1.5, None, math.inf]), [1.5, math.nan, math.inf]),
        (pa.array([1.5], pa.float32()), [1.5]),
        (pa.array([2**63], pa.uint64()), [2.0**63]),
        (pa.array([True, False]), [1.0, 0.0]),
        (pa.array([Decimal("1.25"), None]), [1.25, math.nan]),
        (pa.array(["1.5", " 2 ", "-1e3", "", "x", None]), [1.5, 2.0, -1000.0, math.nan, math.nan, math.nan]),
        (pa.array(["1.5", None], pa.large_string()), [1.5, math.nan]),
        (pa.array([[1.0]]), [math.nan]),
        (pa.array([date(2000, 1, 1)]), [math.nan]),
        (pa.nulls(2), [math.nan, math.nan]),
    ],
)
def test_floats_of_every_type(values: pa.Array, floats: list[float]) -> None:
    np.testing.assert_array_equal(as_floats(values), np.array(floats), strict=True)


SECONDS = 951_827_696.0
"""2000-02-29 12:34:56 UTC."""
MOMENT = datetime(2000, 2, 29, 12, 34, 56, 789_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (pa.array([int(SECONDS), None]), [SECONDS, math.nan]),
        (pa.array([SECONDS + 0.5, -0.5]), [SECONDS, -1.0]),
        (pa.array([MOMENT, None], pa.timestamp("us")), [SECONDS, math.nan]),
        (pa.array([MOMENT], pa.timestamp("ns", tz="Asia/Tokyo")), [SECONDS]),
        (pa.array([datetime(1969, 12, 31, 23, 59, 59, 500_000)], pa.timestamp("us")), [-1.0]),
        (pa.array([datetime(1969, 12, 31)], pa.date64()), [-86_400.0]),
        (pa.array([1e300, -1e12, 1e12, math.nan]), [math.nan] * 4),
        (pa.array([date(2000, 2, 29), None]), [951_782_400.0, math.nan]),
        (pa.array(["951827696", "2000-02-29T12:34:56Z", "2000-02-29 12:34:56"]), [SECONDS] * 3),
        (pa.array(["2000-02-29T13:34:56+01:00", "2000-02-29"]), [SECONDS, 951_782_400.0]),
        (pa.array(["", "yesterday", None]), [math.nan] * 3),
        (pa.array([1], pa.time32("s")), [math.nan]),
        (pa.array([["2000-02-29"]]), [math.nan]),
        (pa.nulls(1), [math.nan]),
    ],
)
def test_seconds_of_every_type(values: pa.Array, seconds: list[float]) -> None:
    found_n, valid_n = as_seconds(values)

    assert found_n.dtype == np.int64
    np.testing.assert_array_equal(np.where(valid_n, found_n, np.nan), np.array(seconds), strict=True)


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
def test_numbers_count_units_and_dates_do_not(unit: float) -> None:
    number = int(SECONDS * unit)
    for values in (pa.array([number]), pa.array([str(number)]), pa.array([MOMENT]), pa.array([MOMENT.isoformat()])):
        found_n, valid_n = as_seconds(values, unit)
        assert (found_n.tolist(), valid_n.tolist()) == ([int(SECONDS)], [True])


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([1, None, 2], [1, None, 2]),
        ([1, 2.5], [1.0, 2.5]),
        (["a", None], ["a", None]),
        ([["a", "b"], None], [["a", "b"], None]),
        ([1, "a", None, 2.0, True, 0.5], ["1", "a", None, "2", "true", "0.5"]),
        ([2**70, 1], [str(2**70), "1"]),
        (["a", ["b"], {"c": 1}], ["a", None, None]),
        (["\ud800x"], ["?x"]),
    ],
)
def test_json_values_of_mixed_types(values: list[Any], read: list[Any]) -> None:
    assert array_of(values).to_pylist() == read


STRANGE = [1, 2**62, 0.5, 3.0, True, False, None, "7", "true", "x", [1], [2, 3], [0.5], [1, 0.5], ["a"], ["a", 1], []]


@pytest.mark.parametrize("one", STRANGE, ids=repr)
def test_beside_others_of_its_kind_a_value_is_what_it_is_alone(one: Any) -> None:
    for other in (value for value in STRANGE if kind_of(value) == kind_of(one)):
        alone, both = array_of([one]), array_of([other, one])
        assert as_text(both)[1].as_py() == as_text(alone)[0].as_py()
        np.testing.assert_array_equal(as_floats(both)[1:], as_floats(alone))
        assert pa.types.is_list(both.type) == pa.types.is_list(alone.type)


def test_a_list_beside_text_would_be_missing_and_a_truth_value_beside_it_no_number() -> None:
    assert array_of([["a"], "b"]).to_pylist() == [None, "b"]
    assert math.isnan(as_floats(array_of([True, "b"]))[0])
    assert len({kind_of(value) for value in (["a"], "b", True, 1, 1.0, None, [1])}) == 7


def test_lists_of_several_types_are_like_no_other() -> None:
    assert kind_of([1, None, 2]) == kind_of([None, 3])
    assert kind_of([True, 1.5]) != kind_of([True, 1.5])
