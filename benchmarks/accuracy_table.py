"""What the comparisons of `accuracy` show: tables of means over seeds, as JSON values."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def mean_sd(values: Sequence[float]) -> dict[str, float] | None:
    """Mean and standard deviation over seeds; None of nothing."""
    if not values:
        return None
    return {"mean": statistics.fmean(values), "sd": statistics.stdev(values) if len(values) > 1 else 0.0}


def mean(values: Sequence[float]) -> float:
    """The mean to a tenth."""
    return round(statistics.fmean(values), 1)


def table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of named cells by the rows' names.

    A cell is a figure, a text, None, `mean_sd` over seeds, or an estimate with `value`, `low` and `high`.
    """
    return {"title": title, "rows": {name: dict(row) for name, row in rows.items()}}
