"""Timestamp: parts of a time in UTC, each a field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from shortlist.features.base import FeatureTransform
from shortlist.features.rows import Ints, Longs
from shortlist.features.statistics import Need, Statistics
from shortlist.features.values import as_seconds
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side


def _hour(seconds_n: Longs) -> Longs:
    return seconds_n // 3600 % 24


def _weekday(seconds_n: Longs) -> Longs:
    """Monday is 0; 1970-01-01 was a Thursday."""
    return (seconds_n // 86400 + 3) % 7


def _month(seconds_n: Longs) -> Longs:
    months_since_1970_n = seconds_n.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return months_since_1970_n % 12


_PARTS: dict[str, tuple[int, Callable[[Longs], Longs]]] = {
    "hour": (24, _hour),
    "weekday": (7, _weekday),
    "month": (12, _month),
}


@dataclass(frozen=True)
class Timestamp(FeatureTransform):
    """1 + hour (0-23), weekday (Monday 0) and month (January 0) of Unix seconds, in UTC; missing: 0.

    Fields are named `context.time.hour` and so on. Dates, times and ISO 8601 text are understood too.
    """

    parts: tuple[str, ...]

    kind: ClassVar[str] = "timestamp"

    @classmethod
    def need(cls, spec: recipe.Timestamp) -> Need:
        """Nothing: the calendar is known."""
        return Need("nothing")

    @classmethod
    def fit(cls, side: Side, name: str, spec: recipe.Timestamp, statistics: Statistics) -> Self:
        """As the recipe says."""
        return cls(f"{side}.{name}", spec.column or name, spec.parts)

    def columns(self) -> tuple[Column, ...]:
        """One field for each part."""
        return tuple(
            Column(name=f"{self.name}.{part}", side=self.side, kind=Kind.FIELD, size=1 + _PARTS[part][0])
            for part in self.parts
        )

    def apply(self, values: pa.Array) -> list[Ints]:
        """Take the times apart."""
        seconds_n, valid_n = as_seconds(values)
        return [np.where(valid_n, 1 + _PARTS[part][1](seconds_n), 0).astype(np.int32) for part in self.parts]
