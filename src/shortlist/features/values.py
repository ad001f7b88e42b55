"""Values of any type as the one type that a transform reads. What cannot be read is missing, never an error.

The same value gives the same text whether it comes from a table of integers, of floats, of text or from JSON:
here a request that writes 25, 25.0 or "25" meets a table that held any of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.features.rows import Longs

Doubles = npt.NDArray[np.float64]

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64 = range(-(2**63), 2**63)
_INTEGRAL_FLOATS_BELOW = 2.0**53
_INT_TYPES = frozenset({pa.int8(), pa.int16(), pa.int32(), pa.int64()})
_FLOAT_TYPES = frozenset({pa.float32(), pa.float64()})
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""Years 1 to 9999; what lies outside is no time: most likely milliseconds taken for seconds."""


def as_text(values: pa.Array) -> pa.Array:
    """As strings.

    Integers and whole numbers in decimal, others in their shortest form, booleans as `true` and `false`,
    dates and times as Arrow writes them. NaN, infinity, lists and structures become null.
    """
    kind = values.type
    if kind == pa.string():
        return values
    if kind in _FLOAT_TYPES:
        return _float_text(values)
    if pa.types.is_decimal(kind):
        return _float_text(values.cast(pa.float64()))
    if pa.types.is_dictionary(kind):
        return as_text(values.dictionary_decode())
    try:
        return values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(values), pa.string())


def _float_text(values: pa.Array) -> pa.Array:
    floats = values.to_numpy(zero_copy_only=False)
    whole = (np.abs(floats) < _INTEGRAL_FLOATS_BELOW) & (np.trunc(floats) == floats)
    decimal = pa.array(np.where(whole, floats, 0).astype(np.int64)).cast(pa.string())
    other = pc.if_else(pa.array(np.isfinite(floats)), values.cast(pa.string()), None)
    return pc.if_else(pa.array(whole), decimal, other)


def as_integers(values: pa.Array) -> pa.Array:
    """As int64: whole floats and text of an integer too; what is no 64-bit integer becomes null."""
    if values.type == pa.int64():
        return values
    if values.type in _INT_TYPES:
        return values.cast(pa.int64())
    return pa.array([_integer(text) for text in as_text(values).to_pylist()], pa.int64())


def _integer(text: str | None) -> int | None:
    if text is None or len(text) > 40 or not _INTEGER.fullmatch(text.strip()):
        return None
    number = int(text)
    return number if number in _INT64 else None


def as_floats(values: pa.Array) -> Doubles:
    """As float64, NaN where missing: numbers, booleans, and text that Python's `float` reads."""
    kind = values.type
    if kind in _FLOAT_TYPES or kind in _INT_TYPES:
        return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    try:
        if not is_text(kind):
            return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    return _parsed(values, float)


def as_seconds(values: pa.Array, unit: float = 1.0) -> tuple[Longs, npt.NDArray[np.bool_]]:
    """As whole Unix seconds, rounded down, 0 where missing; and where there is a time, of the years 1 to 9999.

    Numbers count units, of which a second has `unit`; dates and times are converted; text is a number or ISO 8601. A
    time without a zone is in UTC.
    """
    seconds_n = _seconds(values, unit)
    valid_n = (seconds_n >= _FIRST_SECOND) & (seconds_n <= _LAST_SECOND)
    return np.floor(np.where(valid_n, seconds_n, 0)).astype(np.int64), valid_n


def _seconds(values: pa.Array, unit: float) -> Doubles:
    if pa.types.is_temporal(values.type):
        try:
            # Without its zone a time is in UTC; a cast to seconds would round those before 1970 up.
            precise = values.cast(pa.timestamp(values.type.unit if pa.types.is_timestamp(values.type) else "ms"))
            return as_floats(pc.floor_temporal(precise, unit="second").cast(pa.timestamp("s")).cast(pa.int64()))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return np.full(len(values), np.nan)
    if not is_text(values.type):
        return as_floats(values) / unit

    def read(text: str) -> float:
        try:
            return float(text) / unit
        except ValueError:
            time = datetime.fromisoformat(text.strip())
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

    return _parsed(values, read)


def _parsed(values: pa.Array, parse: Callable[[str], float]) -> Doubles:
    def read(text: str | None) -> float:
        try:
            return math.nan if text is None else parse(text)
        except (ValueError, OverflowError):
            return math.nan

    return np.array([read(text) for text in as_text(values).to_pylist()], np.float64)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def array_of(values: Sequence[Any]) -> pa.Array:
    """JSON values of one column; where clients mix what Arrow finds no common type for, all become text.

    Then lists and objects are missing; half a surrogate pair, which JSON may write, becomes `?`.
    """
    try:
        return pa.array(values)
    except (ValueError, TypeError, OverflowError, NotImplementedError):
        return pa.array([_json_text(value) for value in values], pa.string())


def kind_of(value: Any) -> object:
    """What `array_of` goes by. Values that are alike in it are encoded together as each is by itself.

    Others are not: beside text a truth value becomes text, which is no number, a list is missing, and beside a number
    of more than 64 bits all become text.
    """
    if isinstance(value, int) and value not in _INT64:
        return object()
    if not isinstance(value, list):
        return type(value)
    kinds = frozenset(type(one) for one in value)
    # What Arrow makes of a list of several types depends on their order, and on the lists beside it: like none other.
    return kinds if len(kinds - {type(None)}) <= 1 else object()


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, bool | float):
        return cast(str | None, as_text(pa.array([value]))[0].as_py())
    return str(value).encode(errors="replace").decode()
