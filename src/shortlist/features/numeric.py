"""Numeric: a number, standardised or cut into buckets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.features.base import FeatureTransform
from shortlist.features.rows import Floats, Ints
from shortlist.features.statistics import Moments, Need, Quantiles, Statistics, expect
from shortlist.features.values import Doubles, as_floats
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side

_LARGEST = float(np.finfo(np.float32).max)
_NOISE = 1e-12
"""A deviation below this share of the mean is what rounding leaves of a constant column."""


@dataclass(frozen=True)
class Numeric(FeatureTransform):
    """One float32, or one field for `bucketise`. Null, NaN and infinite values are missing.

    standardise: (x - mean) / deviation; missing: 0. A constant column is 0.
    log: the same of sign(x) log(1 + |x|).
    none: x; missing: the mean. Results outside float32 are its largest or smallest finite number.
    bucketise: 1 + the number of boundaries <= x; missing: 0.
    """

    transform: str
    mean: float = 0.0
    deviation: float = 1.0
    boundaries: tuple[float, ...] = ()
    """Ascending, distinct; for `bucketise`."""

    kind: ClassVar[str] = "numeric"

    @classmethod
    def need(cls, spec: recipe.Numeric) -> Need:
        """Quantiles for `bucketise`, else moments, of the logarithms for `log`."""
        if spec.transform == "bucketise":
            return Need("quantiles", buckets=spec.buckets)
        return Need("moments", log=spec.transform == "log")

    @classmethod
    def fit(cls, side: Side, name: str, spec: recipe.Numeric, statistics: Statistics) -> Self:
        """Take the statistics, rounded so that engines that add up in another order give the same state."""
        place = (f"{side}.{name}", spec.column or name, spec.transform)
        if spec.transform == "bucketise":
            return cls(*place, boundaries=_distinct(expect(statistics, Quantiles).boundaries))
        moments = expect(statistics, Moments)
        if not (math.isfinite(moments.mean) and math.isfinite(moments.deviation)):
            raise DataError(
                f"features.{side}.{name}: expected numbers that can be averaged, found values so large in "
                f"the column `{place[1]}` that their mean or deviation is infinite. "
                'Say transform = "bucketise" or "log" instead.'
            )
        constant = moments.deviation <= _NOISE * abs(moments.mean)
        deviation = 1.0 if constant else rounded(moments.deviation, moments.deviation)
        return cls(*place, mean=rounded(moments.mean, deviation), deviation=deviation)

    def columns(self) -> tuple[Column, ...]:
        """One number, or one field with a row for each bucket and one for missing values."""
        if self.transform == "bucketise":
            size = len(self.boundaries) + 2
            return (Column(name=self.name, side=self.side, kind=Kind.FIELD, size=size),)
        return (Column(name=self.name, side=self.side, kind=Kind.NUMBER),)

    def apply(self, values: pa.Array) -> list[Ints | Floats]:
        """Encode the numbers."""
        x_n = as_floats(values)
        finite_n = np.isfinite(x_n)
        if self.transform == "bucketise":
            bucket_n = 1 + np.searchsorted(self.boundaries, x_n, side="right")
            return [np.where(finite_n, bucket_n, 0).astype(np.int32)]
        return [self._scaled(x_n, finite_n)]

    def _scaled(self, x_n: Doubles, finite_n: npt.NDArray[np.bool_]) -> Floats:
        x_n = np.where(finite_n, x_n, 0.0)
        if self.transform == "log":
            x_n = np.sign(x_n) * np.log1p(np.abs(x_n))
        x_n = np.where(finite_n, x_n, self.mean)
        if self.transform != "none":
            with np.errstate(over="ignore"):
                x_n = (x_n - self.mean) / self.deviation
        return np.clip(x_n, -_LARGEST, _LARGEST).astype(np.float32)


def rounded(value: float, scale: float) -> float:
    """`value` to the sixth significant digit of `scale`."""
    if value == 0 or scale == 0:
        return value
    return round(value, 5 - math.floor(math.log10(abs(scale))))


def _distinct(boundaries: tuple[float, ...]) -> tuple[float, ...]:
    """Rounded to six digits of their spread or of themselves, whichever is finer; equal ones once."""
    spread = max(boundaries, default=0.0) - min(boundaries, default=0.0)
    return tuple(sorted({rounded(value, min(abs(value), spread)) for value in boundaries}))
