"""Charts without a plotting package: lines as inline SVG, bars as HTML that follows the width of the screen.

Colours come from the page's style sheet by class, so that light, dark and print each have their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shortlist.evaluation.report.markup import Markup, joined, tag
from shortlist.evaluation.report.numbers import tick_text, ticks

_WIDTH, _HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 26, 40


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    name: str
    colour: str
    """Class of the style sheet, such as `funnel`."""
    points: Sequence[tuple[float, float]]
    dots: bool = True
    dashed: bool = False
    joined: bool = True
    """False for dots alone."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, from tick to tick."""

    label: str
    ticks: Sequence[float]

    @classmethod
    def over(cls, label: str, values: Sequence[float], about: int = 4) -> Axis:
        """Round ticks around the values."""
        return cls(label, ticks(min(values), max(values), about))

    def place(self, value: float, start: float, end: float) -> float:
        """Where a value lies between two pixels."""
        low, high = self.ticks[0], self.ticks[-1]
        return start + (end - start) * ((value - low) / (high - low) if high > low else 0.5)


def line_chart(title: str, lines: Sequence[Line], x: Axis, y: Axis) -> Markup:
    """Lines over two axes, with a legend where there is more than one."""
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    svg = tag(
        "svg",
        *(_y_tick(y, value, right, bottom) for value in y.ticks),
        *(_x_tick(x, value, right, bottom) for value in x.ticks),
        tag("text", y.label, x=0, y=11, class_="axis"),
        tag("text", x.label, x=(_LEFT + right) / 2, y=_HEIGHT - 6, text_anchor="middle", class_="axis"),
        *(_line(line, x, y, right, bottom) for line in lines),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{title}: {y.label} by {x.label}",
    )
    shown = legend([(line.name, line.colour) for line in lines]) if len(lines) > 1 else None
    return tag("figure", tag("figcaption", title), shown, svg)


def _y_tick(axis: Axis, value: float, right: float, bottom: float) -> Markup:
    at = round(axis.place(value, bottom, _TOP), 1)
    label = tag("text", tick_text(value), x=_LEFT - 6, y=at + 4, text_anchor="end", class_="tick")
    return joined([tag("line", x1=_LEFT, x2=right, y1=at, y2=at, class_="grid"), label])


def _x_tick(axis: Axis, value: float, right: float, bottom: float) -> Markup:
    at = round(axis.place(value, _LEFT, right), 1)
    return tag("text", tick_text(value), x=at, y=bottom + 16, text_anchor="middle", class_="tick")


def _line(line: Line, x: Axis, y: Axis, right: float, bottom: float) -> Markup:
    placed = [(round(x.place(a, _LEFT, right), 1), round(y.place(b, bottom, _TOP), 1), a, b) for a, b in line.points]
    path = tag(
        "polyline",
        points=" ".join(f"{a},{b}" for a, b, _, _ in placed),
        class_=f"line {line.colour}" + (" dashed" if line.dashed else ""),
    )
    paths = [path] if line.joined else []
    dots = (
        [
            tag(
                "circle",
                tag("title", f"{line.name}: {tick_text(round(a, 4))}, {tick_text(round(b, 4))}"),
                cx=at_x,
                cy=at_y,
                r=3,
                class_=f"dot {line.colour}",
            )
            for at_x, at_y, a, b in placed
        ]
        if line.dots
        else []
    )
    return joined([*paths, *dots])


def legend(entries: Sequence[tuple[object, str]]) -> Markup:
    """Names beside their colours."""
    return tag("ul", *(tag("li", swatch(colour), name) for name, colour in entries), class_="legend")


def swatch(colour: str) -> Markup:
    """A small square of a colour."""
    return tag("span", class_=f"swatch {colour}", aria_hidden="true")


def interval_bar(value: float, low: float | None, high: float | None, most: float, colour: str) -> Markup:
    """A bar as long as the value, with its interval as a line across its end; `most` is the full width."""
    whisker = None
    if low is not None and high is not None:
        whisker = tag("span", class_="whisker", style=f"{_left(low, most)};width:{_share(high - max(low, 0), most)}")
    return tag(
        "span",
        tag("span", class_=f"bar {colour}", style=f"width:{_share(value, most)}"),
        whisker,
        class_="track",
        aria_hidden="true",
    )


def stacked_bar(parts: Sequence[tuple[str, float, str]], label: str) -> Markup:
    """Shares of a whole beside one another: name, share and colour of each."""
    return tag(
        "div",
        *(
            tag("span", class_=f"part {colour}", style=f"width:{_share(share, 1)}", title=name)
            for name, share, colour in parts
            if share > 0
        ),
        class_="stacked",
        role="img",
        aria_label=label,
    )


def _left(value: float, most: float) -> str:
    return f"left:{_share(value, most)}"


def _share(value: float, most: float) -> str:
    return f"{100 * min(max(value / most if most > 0 else 0.0, 0.0), 1.0):.2f}%"
