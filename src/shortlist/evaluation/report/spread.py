"""The sections about whom and what it serves: popularity of what is recommended, slices, example users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shortlist.evaluation.lists import SHOWN
from shortlist.evaluation.report.charts import Axis, Line, interval_bar, line_chart
from shortlist.evaluation.report.examples import Example
from shortlist.evaluation.report.facts import Facts
from shortlist.evaluation.report.markup import Markup, note, section, table, tag
from shortlist.evaluation.report.numbers import estimate, percent
from shortlist.evaluation.table import headline, lists_of

_LINES = (
    ("train", "training events", "ink"),
    ("truth", "what people chose", "truth"),
    ("popularity", "popularity", "popularity"),
    ("retrieval", "retrieval", "retrieval"),
    ("funnel", "funnel", "funnel"),
)


def popularity(facts: Facts) -> Markup | None:
    """How much of the catalogue is recommended, and how popular it is."""
    parts = facts.metrics.get("popularity")
    if not parts:
        return None
    lines = [
        Line(name, colour, _cumulative([part[key] for part in parts]), dots=False, dashed=key == "train")
        for key, name, colour in _LINES
        if key in parts[0]
    ]
    chart = line_chart(
        f"Share of the first {SHOWN} places, most popular items first",
        lines,
        Axis("% of the catalogue", [0, 20, 40, 60, 80, 100]),
        Axis("% of the places", [0, 20, 40, 60, 80, 100]),
    )
    coverage = f"coverage@{SHOWN}"
    rows = [
        [stage, percent(facts.value(stage, coverage) or 0.0), percent(parts[0][stage])]
        for stage in lists_of(facts.stages)
        if stage in facts.stages
    ]
    numbers = table(["", "of the catalogue is recommended to anybody", "of the places go to the top tenth"], rows)
    text = note(
        "A line near the corner at the top left means that few best sellers fill most places; the diagonal "
        "would be every item alike. What people chose is the measure: a funnel far above it shows less "
        "variety than they want."
    )
    return section("popularity", "What is recommended", tag("div", chart, tag("div", numbers, text), class_="columns"))


def slices(facts: Facts) -> Markup | None:
    """The headline metrics for some of the users and some of the items."""
    found = facts.metrics.get("slices")
    if not found:
        return None
    columns = headline(facts.metrics)
    noun = "user" if facts.protocol["requests_for_each"] == "user" else "request"
    entries = {f"all {noun}s": _all(facts, noun), **found}
    most = {metric: _longest(entries.values(), metric) for metric in columns}
    rows = [_slice(name, entry, most, noun) for name, entry in entries.items()]
    text = note("The bars are the funnel; below them stands popularity on the same users and items.")
    return section("slices", "For whom it works", *rows, text)


def examples(facts: Facts) -> Markup | None:
    """Histories beside recommendations."""
    if not facts.examples:
        return None
    return section(
        "examples",
        "What some users get",
        note(
            "Drawn at random, not picked. ",
            tag("span", "✓", class_="hit"),
            " is what the user went on to choose.",
        ),
        *(_example(example) for example in facts.examples),
    )


def _cumulative(shares: Sequence[float]) -> list[tuple[float, float]]:
    total, points = 0.0, [(0.0, 0.0)]
    for i, share in enumerate(shares, start=1):
        total += share
        points.append((100 * i / len(shares), 100 * total))
    return points


def _all(facts: Facts, noun: str) -> dict[str, Any]:
    return {"what": f"every held-out {noun}", "requests": facts.protocol["requests"], "stages": facts.stages}


def _longest(entries: Iterable[Mapping[str, Any]], metric: str) -> float:
    """The end of the longest interval."""
    measured = [entry["stages"]["funnel"][metric] for entry in entries]
    return max((float(entry["high"] or entry["value"]) for entry in measured), default=0.0)


def _slice(name: str, entry: Mapping[str, Any], most: Mapping[str, float], noun: str) -> Markup:
    """One slice: who it is, and a bar for each of the headline metrics."""
    count = entry["requests"]
    who = tag(
        "div",
        tag("b", name),
        tag("p", entry["what"], class_="small"),
        tag("p", f"{count:,} {noun}{'' if count == 1 else 's'}", class_="small"),
    )
    return tag("div", who, *(_metric(entry, metric, longest) for metric, longest in most.items()), class_="slice")


def _metric(entry: Mapping[str, Any], metric: str, longest: float) -> Markup:
    funnel, popular = entry["stages"]["funnel"][metric], entry["stages"]["popularity"][metric]
    return tag(
        "div",
        tag("span", f"{metric} ", class_="small"),
        tag("span", estimate(funnel), class_="figure"),
        interval_bar(funnel["value"], funnel["low"], funnel["high"], longest, "funnel"),
        tag("span", f"popularity {estimate(popular)}", class_="small"),
    )


def _example(example: Example) -> Markup:
    hits = sum(hit for _, hit in example.recommended)
    history = [tag("li", title) for title in example.history]
    more = example.known - len(example.history)
    recommended = [
        tag("li", title, tag("span", " ✓", class_="hit") if hit else None, class_="chosen" if hit else None)
        for title, hit in example.recommended
    ]
    rest = len(example.missed) - SHOWN
    missed = ", ".join(example.missed[:SHOWN]) + (f" and {rest:,} more" if rest > 0 else "")
    return tag(
        "article",
        tag("h3", f"User {example.user}", tag("span", f"{hits} of {len(recommended)} chosen", class_="small")),
        tag(
            "div",
            tag(
                "div",
                tag("h4", "History, newest first"),
                tag("ul", *history) if history else note("A new user: nothing is known."),
                tag("p", f"and {more:,} earlier", class_="small") if more else None,
            ),
            tag("div", tag("h4", "Recommended"), tag("ol", *recommended)),
            class_="columns",
        ),
        tag("p", tag("b", "Also chosen: "), missed, class_="small") if missed else None,
    )
