"""Which rows a filter keeps. A comparison with a missing value is false, so `not` of it is true.

Legend: n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.core.suggest import did_you_mean
from shortlist.features.bags import owners
from shortlist.funnel.filters.columns import kind_of
from shortlist.funnel.filters.syntax import (
    Among,
    And,
    Compare,
    Has,
    IsMissing,
    IsTrue,
    Literal,
    Name,
    Not,
    Or,
    Predicate,
    refused,
)

Bools = npt.NDArray[np.bool_]

_COMPARE: Mapping[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_EXPECTED = {
    "number": "a number",
    "text": "a text in quotes",
    "truth value": "true or false",
    "time": 'a time in ISO 8601, such as "2024-05-31" or "2024-05-31T06:53"',
}
_KINDS: Mapping[type, str] = {bool: "truth value", str: "text", int: "number", float: "number"}


def kept(predicate: Predicate, columns: pa.RecordBatch, text: str) -> Bools:
    """kept_n over stored columns (see `columns.stored`).

    RequestError, which points into `text`, for a column that is not there or a value that is not of its column's kind.
    """
    return _Evaluation(columns, text).kept(predicate)


class _Evaluation:
    def __init__(self, columns: pa.RecordBatch, text: str) -> None:
        self._columns = columns
        self._text = text

    def kept(self, predicate: Predicate) -> Bools:
        match predicate:
            case And(parts):
                return reduce(np.logical_and, map(self.kept, parts))
            case Or(parts):
                return reduce(np.logical_or, map(self.kept, parts))
            case Not(inner):
                return ~self.kept(inner)
            case IsMissing(name):
                return _as_bools(self._column(name).is_null())
            case IsTrue(name):
                return self._compared(name, "=", Literal(True, name.at))
            case Compare(name, sign, literal):
                return self._compared(name, sign, literal)
            case Among(name, literals):
                return reduce(np.logical_or, (self._compared(name, "=", literal) for literal in literals))
            case Has(name, literal):
                return self._holding(name, literal)

    def _column(self, name: Name) -> pa.Array:
        if name.text not in self._columns.schema.names:
            hint = did_you_mean(name.text, self._columns.schema.names)
            raise refused(self._text, name.at, f"no column is called `{name.text}`.{hint}")
        return self._columns.column(name.text)

    def _compared(self, name: Name, sign: str, literal: Literal) -> Bools:
        column = self._column(name)
        kind = kind_of(column.type)
        if kind.startswith("several"):
            why = (
                f"`{name.text}` holds {kind}: expected `has` and one of them, such as {name.text} has {_example(kind)}."
            )
            raise refused(self._text, name.at, why)
        if kind == "truth value" and sign not in ("=", "!="):
            raise refused(self._text, name.at, f"`{name.text}` is true or false: expected = or !=, found {sign}.")
        return self._of_one(column, kind, name, sign, literal)

    def _holding(self, name: Name, literal: Literal) -> Bools:
        column = self._column(name)
        kind = kind_of(column.type)
        if not kind.startswith("several"):
            raise refused(self._text, name.at, f"`{name.text}` holds one {kind}: expected = where `has` stands.")
        one = kind.removeprefix("several ").removesuffix("s")
        is_it_m = self._of_one(column.flatten(), one, name, "=", literal)
        holding_n = np.zeros(len(column), bool)
        holding_n[owners(column)[is_it_m]] = True
        return holding_n

    def _of_one(self, column: pa.Array, kind: str, name: Name, sign: str, literal: Literal) -> Bools:
        scalar = self._scalar(column.type, kind, name, literal)
        if pa.types.is_integer(column.type) and pa.types.is_floating(scalar.type):
            # Arrow refuses to compare with a fraction what a float does not hold exactly.
            column = column.cast(pa.float64(), safe=False)
        if not pa.types.is_dictionary(column.type):
            return _as_bools(_COMPARE[sign](column, scalar))
        is_it_v = _as_bools(_COMPARE[sign](column.dictionary, scalar))
        code_n = column.indices.fill_null(len(is_it_v)).to_numpy()
        is_it_n: Bools = np.append(is_it_v, False)[code_n]
        return is_it_n

    def _scalar(self, column_type: pa.DataType, kind: str, name: Name, literal: Literal) -> pa.Scalar:
        value = literal.value
        if kind == "time" and isinstance(value, str) and (time := _time(value)) is not None:
            return pa.scalar(time, column_type)
        if _KINDS[type(value)] != kind:
            shown = f'"{value}"' if isinstance(value, str) else str(value).lower()
            why = f"`{name.text}` is a {kind}: expected {_EXPECTED[kind]}, found {shown}."
            raise refused(self._text, literal.at, why)
        return pa.scalar(float(value), column_type) if pa.types.is_floating(column_type) else pa.scalar(value)


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        # At the calendar's edge an offset leads out of it.
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def _example(kind: str) -> str:
    return '"..."' if "text" in kind else "..."


def _as_bools(found: pa.Array) -> Bools:
    bools: Bools = found.fill_null(False).to_numpy(zero_copy_only=False)
    return bools
