"""Numbers as people read them: the figures of metrics.json, rounded here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime


def decimal(value: float | None) -> str:
    """Three decimals; more where these are zeros; a dash for what could not be measured."""
    if value is None:
        return "-"
    if value != 0 and abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}"


def estimate(measured: Mapping[str, float | None]) -> str:
    """`0.412 ± 0.010`; the value alone where there is no interval."""
    value, low, high = measured["value"], measured["low"], measured["high"]
    if low is None or high is None:
        return decimal(value)
    return f"{decimal(value)} ± {decimal((high - low) / 2)}"


def percent(share: float) -> str:
    """A share as `58.8 %`."""
    return f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0.05:
        return "< 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def day(unix_seconds: float | None) -> str:
    """The date in UTC."""
    return "-" if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d")


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers in steps of 1, 2 or 5 times a power of ten, from at most `low` to at least `high`."""
    span = high - low if high > low else max(abs(high), 1.0)
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(max(high, low + span * 0.5) / step - 1e-9)
    return [round(step * i, 12) for i in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A tick as short as it can be written."""
    return f"{value:,.10g}"
