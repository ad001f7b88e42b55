"""The report's charts as pictures of their own: SVG with title, legend and style, for what shows files and no pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from importlib.resources import files

from shortlist.evaluation.report.curves import calibration, learning
from shortlist.evaluation.report.facts import Facts, Metrics
from shortlist.evaluation.report.markup import Markup, joined, tag
from shortlist.evaluation.report.spread import popularity

_FIGURE = re.compile(r"<figure><figcaption>(.*?)</figcaption>(.*?)(<svg .*?</svg>)</figure>", re.DOTALL)
_LEGEND = re.compile(r'<span class="swatch (\w+)"[^>]*></span>([^<]*)')
_BOX = re.compile(r'viewBox="0 0 (\d+) (\d+)"')
_HEAD = 42
"""Height of what stands above the axes."""
_MARGIN = 12
"""On every side: what shows files puts them flush with its own edge."""
_STYLE = "svg { font-family: system-ui, sans-serif } svg .title { fill: var(--ink); font-weight: 600 }"


def pictures(metrics: Metrics, curves: Mapping[str, Sequence[Metrics]]) -> dict[str, str]:
    """By name the SVG of every line chart about `metrics`, the content of metrics.json, and the stages' curves."""
    validated = {stage: curve for stage, curve in curves.items() if curve and curve[0]["valid"]}
    facts = Facts(metrics=metrics, recipe={}, manifest={}, curves=validated, examples=(), created="")
    sections = [part for make in (learning, popularity, calibration) if (part := make(facts)) is not None]
    style = (files("shortlist.evaluation.report") / "style.css").read_text(encoding="utf-8") + _STYLE
    found = [_FIGURE.findall(part) for part in sections]
    return {_name(title): _alone(title, legend, svg, style) for part in found for title, legend, svg in part}


def _name(title: str) -> str:
    """A file's name from a chart's title, without the figures that follow a comma."""
    words = unescape(title).partition(",")[0].replace("@", " at ").lower()
    return re.sub(r"[^a-z0-9]+", "_", words).strip("_")


def _alone(title: str, legend: str, svg: str, style: str) -> str:
    """The chart with what the page shows around it; what the style says of bodies and tables meets nothing here."""
    opening, _, content = svg.partition(">")
    box = _BOX.search(opening)
    assert box is not None
    left, top = -_MARGIN, -_HEAD - _MARGIN
    width, height = int(box[1]) + 2 * _MARGIN, int(box[2]) + _HEAD + 2 * _MARGIN
    opening = _BOX.sub(f'viewBox="{left} {top} {width} {height}"', opening)
    head = joined(
        [
            tag("rect", x=left, y=top, width=width, height=height, style="fill: var(--page)"),
            tag("text", Markup(title), x=0, y=14 - _HEAD, class_="title"),
            _legend(legend),
        ]
    )
    size = f'xmlns="http://www.w3.org/2000/svg" width="{2 * width}" height="{2 * height}"'
    return f"{opening} {size}><style><![CDATA[{style}]]></style>{head}{content}"


def _legend(page: str) -> Markup | None:
    """The page's legend in one line of text."""
    entries = [
        tag("tspan", f"● {unescape(name)}  ", class_=colour, style="fill: currentColor")
        for colour, name in _LEGEND.findall(page)
    ]
    return tag("text", *entries, x=0, y=32 - _HEAD, style="font-size: 9.5px") if entries else None
