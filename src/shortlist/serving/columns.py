"""Which raw columns a request may name, and which values JSON may give them.

The recommender refuses unknown names and what is no time itself; here the refusal also says where in the request
they stand, and nothing reaches Arrow that it cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from shortlist.bundle.read import Bundle
from shortlist.bundle.times import seconds_told
from shortlist.core.suggest import did_you_mean
from shortlist.schema import Side
from shortlist.schema.columns import ROW_SIDES
from shortlist.serving.bodies import Values
from shortlist.serving.read import path
from shortlist.serving.refusal import Refusal, shown

_LARGEST = 2**63
_EXPECTED = "a number, text, true, false, null, or a list of them"


class RequestColumns:
    """The columns that a bundle's features read."""

    def __init__(self, bundle: Bundle) -> None:
        roles = bundle.recipe.schema_
        own = {side: set(bundle.encoders[side].sources) for side in ROW_SIDES}
        clock = _named(roles.timestamp)
        ids = _named(roles.user_column, roles.item_id)
        self.context = frozenset(own[Side.CONTEXT] | clock)
        self.user_features = frozenset(own[Side.USER] - ids)
        self.rows = frozenset(set().union(*own.values(), clock, ids))
        self._clock, self._time_unit = roles.timestamp, bundle.schema.time_unit

    def of_requests(
        self, values: Sequence[Values | None], known: Iterable[str], where: str
    ) -> dict[str, list[Any]] | None:
        """The values of requests, all for the same columns, as rows; None where the first has none."""
        told = [of_one for of_one in values if of_one is not None]
        for of_one in told:
            _check(of_one, known, where)
        if not told:
            return None
        columns = {name: [of_one[name] for of_one in told] for name in told[0]}
        if known is self.context:
            self._check_times(columns, lambda _: path(where, str(self._clock)))
        return columns

    def of_rows(self, rows: list[Values]) -> dict[str, list[Any]]:
        """Rows as columns; what a row leaves out is null."""
        for index, row in enumerate(rows):
            _check(row, self.rows, "rows", index)
        names = dict.fromkeys(name for row in rows for name in row)
        if not names:
            expected = ", ".join(sorted(self.rows))
            raise Refusal("rows: no row has a value for any column", "rows", rows, expected)
        columns = {name: [row.get(name) for row in rows] for name in names}
        self._check_times(columns, lambda row: path("rows", row, str(self._clock)))
        return columns

    def _check_times(self, columns: Mapping[str, Sequence[Any]], where: Callable[[int], str]) -> None:
        """RequestError for what is no time."""
        if self._clock is not None and self._clock in columns:
            seconds_told(columns[self._clock], self._time_unit, where)


def _named(*roles: str | None) -> set[str]:
    return {role for role in roles if role is not None}


def _check(values: Mapping[str, Any], known: Iterable[str], *where: str | int) -> None:
    for name, value in values.items():
        place = path(*where, name)
        if name not in known:
            expected = ", ".join(sorted(known)) or "nothing: no feature of this bundle reads a column here"
            told = str(shown(name))
            raise Refusal(f"{place}: no such column `{told}`.{did_you_mean(told, known)}", place, value, expected)
        for one in value if isinstance(value, list) else (value,):
            _check_value(one, place)


def _check_value(value: Any, place: str) -> None:
    if isinstance(value, dict | list):
        raise Refusal(
            f"{place}: expected {_EXPECTED}, found an object or a list within a list", place, value, _EXPECTED
        )
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise Refusal(f"{place}: {value} is beyond 64-bit integers", place, value, "an integer of 64 bits, or text")
