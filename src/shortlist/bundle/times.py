"""Times as requests tell them, in Unix seconds: what is no time is refused, and not taken for now.

Legend: n times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.bundle.checks import shown
from shortlist.core.errors import RequestError
from shortlist.features.rows import Longs
from shortlist.features.values import array_of, as_floats, as_seconds
from shortlist.state.base import MOST_SKEW_S

_UNITS = {1.0: "seconds", 1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
"""By how many of them a second has."""


def seconds_told(
    times: Sequence[Any], unit: float, where: Callable[[int], str], is_past: bool = False
) -> tuple[Longs, npt.NDArray[np.bool_]]:
    """Unix seconds of each time, 0 where none is told, and whether one is.

    times: numbers in the log's unit, of which a second has `unit`; text of those or in ISO 8601; dates and times. None
        and NaN tell none.
    where: names the place of one of them in the request.
    is_past: they are of what has happened, so none may be more than a day ahead of this machine's clock.

    RequestError for the first that is no time of the years 1 to 9999, or lies too far ahead.
    """
    times = list(times)
    given = array_of(times)
    if pa.types.is_null(given.type):
        return np.zeros(len(given), np.int64), np.zeros(len(given), bool)
    seconds_n, is_time_n = as_seconds(given, unit)
    is_told_n = ~pc.is_null(given, nan_is_null=True).to_numpy(zero_copy_only=False)
    # Beside other types `array_of` has these missing.
    is_told_n |= [isinstance(one, list | dict) for one in times]
    is_right_n = is_time_n & (not pa.types.is_boolean(given.type))
    if is_past:
        is_right_n &= seconds_n <= time.time() + MOST_SKEW_S
    wrong = np.flatnonzero(is_told_n & ~is_right_n)
    if len(wrong):
        n = int(wrong[0])
        expected = f"a number in the log's unit, {_UNITS[unit]} since 1970, or text in ISO 8601 such as "
        expected += "2026-11-21T09:30:00Z" + (", at most a day ahead of this machine's clock" if is_past else "")
        found = shown(times[n]) + _why(given[n : n + 1], bool(is_time_n[n]))
        raise RequestError(f"{where(n)}: expected {expected}, found {found}", where(n), times[n], expected)
    return seconds_n, is_told_n


def _why(given: pa.Array, is_time: bool) -> str:
    """What is wrong with a number, or with a time."""
    if pa.types.is_boolean(given.type):
        return ""
    if is_time:
        return ", which lies in the future. Is it in another unit, or is a clock wrong?"
    is_number = bool(np.isfinite(as_floats(given))[0])
    return ", which lies outside of the years 1 to 9999. Is it in another unit?" if is_number else ""
