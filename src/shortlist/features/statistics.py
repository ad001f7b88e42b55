"""Statistics of a column's training rows: what a feature is fitted from. Only the engine computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shortlist.features.rows import Longs


@dataclass(frozen=True, slots=True)
class Need:
    """What a feature asks of the engine, over the training rows of its column.

    nothing: None is handed to `fit`. moments: Moments. quantiles: Quantiles. counts: Counts.
    """

    what: Literal["nothing", "moments", "quantiles", "counts"]
    log: bool = False
    """Moments of sign(x) log(1 + |x|) instead of x."""
    buckets: int = 0
    """Quantiles at the levels 1/buckets ... (buckets - 1)/buckets."""
    separator: str | None = None
    """Counts of the single values of a list column, or of text parted by this.

    They may come with the white space around them and with empty ones: `fit` tidies them as `apply` does.
    """


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and population standard deviation of the finite values."""

    count: int
    """Rows with a finite value."""
    missing: int
    """Rows without: null, NaN, infinite."""
    mean: float
    """0 when there is no finite value."""
    deviation: float
    """Divided by `count`; 0 when there is no finite value."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of the finite values, ascending; neighbours may be equal, and there may be none."""

    boundaries: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Distinct values with their numbers of rows, without null: the most frequent first, then by value."""

    values: pa.Array
    """int64 for an integer column, else string; a float, boolean or date column may come in its own type."""
    counts: Longs

    def __post_init__(self) -> None:
        if len(self.values) != len(self.counts):
            raise ValueError(f"{len(self.values)} values have {len(self.counts)} counts; expected one each")
        if np.any(np.diff(self.counts) > 0):
            raise ValueError("counts must not ascend: the most frequent value comes first")

    @classmethod
    def merged(cls, values: pa.Array, counts: Longs) -> Counts:
        """From any order, with repetitions: drops nulls, adds the counts of equal values, sorts."""
        table = pa.table({"value": values, "count": counts}).filter(pc.field("value").is_valid())
        summed = table.group_by("value", use_threads=False).aggregate([("count", "sum")])
        ordered = summed.sort_by([("count_sum", "descending"), ("value", "ascending")])
        return cls(ordered["value"].combine_chunks(), ordered["count_sum"].to_numpy())


Statistics = Moments | Quantiles | Counts | None

S = TypeVar("S", Moments, Quantiles, Counts)


def expect(statistics: Statistics, sort: type[S]) -> S:
    """The statistics as the sort that the transform has asked for; TypeError for any other."""
    if not isinstance(statistics, sort):
        raise TypeError(f"expected {sort.__name__}, found {type(statistics).__name__}: hand over what `need` asks for")
    return statistics
