"""Bars on a logarithmic scale as an SVG that can be read on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.harness import number

_COLOURS = {"ours": "#1f6feb", "peer": "#8b949e", "limit": "#bf8700"}
_TEXT = "#768390"
"""Grey that stands out from white and from GitHub's dark blue alike."""
_WIDTH, _LEFT, _RIGHT, _BAR, _STEP, _TOP, _BOTTOM = 760, 230, 70, 16, 25, 12, 46


def bars(heights: Sequence[tuple[str, float, str]], unit: str) -> str:
    """One bar for each (name, value above 0, kind), in the order given."""
    low, high = _decades([value for _, value, _ in heights])
    bottom = _TOP + _STEP * len(heights)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + _BOTTOM}" '
        f'width="{_WIDTH}" height="{bottom + _BOTTOM}" font-family="sans-serif" font-size="13" fill="{_TEXT}">',
        f"<title>{escape(unit)}</title>",
        *(_tick(power, _x(10.0**power, low, high), bottom) for power in range(low, high + 1)),
        *(_bar(place, height, low, high) for place, height in enumerate(heights)),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{bottom + 38}" text-anchor="middle">{escape(unit)}, '
        "logarithmic scale</text>",
        "</svg>\n",
    ]
    return "\n".join(parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Powers of ten around the values; the lower one leaves the smallest bar something to show."""
    low = math.floor(math.log10(min(values)) - 0.15)
    return low, max(math.ceil(math.log10(max(values))), low + 1)


def _x(value: float, low: int, high: int) -> float:
    share = (math.log10(value) - low) / (high - low)
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _tick(power: int, x: float, bottom: int) -> str:
    return (
        f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}" stroke="{_TEXT}" stroke-opacity="0.3"/>'
        f'<text x="{x}" y="{bottom + 18}" text-anchor="middle" font-size="11">{_power(power)}</text>'
    )


def _power(power: int) -> str:
    if power < 0:
        return f"{10.0**power:g}"
    prefix = ("", "k", "M", "G", "T", "P")[min(power // 3, 5)]
    return f"{10 ** (power - 3 * min(power // 3, 5))}{prefix}"


def _bar(place: int, height: tuple[str, float, str], low: int, high: int) -> str:
    name, value, kind = height
    end, y = _x(value, low, high), _TOP + _STEP * place + (_STEP - _BAR) / 2
    weight = ' font-weight="bold"' if kind == "ours" else ""
    return (
        f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end"{weight}>{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{y}" width="{round(end - _LEFT, 1)}" height="{_BAR}" rx="2" fill="{_COLOURS[kind]}"/>'
        f'<text x="{end + 6}" y="{y + 12}"{weight}>{number(value)}</text>'
    )
