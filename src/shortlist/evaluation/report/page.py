"""The page: sections in their order, in one file that needs nothing from outside."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from shortlist.evaluation.report import background, spread, worth
from shortlist.evaluation.report.advice import advice
from shortlist.evaluation.report.curves import calibration, learning
from shortlist.evaluation.report.facts import Facts
from shortlist.evaluation.report.markup import joined, tag
from shortlist.evaluation.table import whom

SECTIONS = (
    worth.worth,
    worth.lost,
    advice,
    spread.slices,
    spread.popularity,
    spread.examples,
    learning,
    calibration,
    background.times,
    background.data,
    background.protocol,
    background.recipe,
)


def render(facts: Facts) -> str:
    """The whole report as HTML."""
    shown = [part for make in SECTIONS if (part := make(facts)) is not None]
    folder = files("shortlist.evaluation.report")
    template = Template((folder / "template.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=joined([facts.metrics["recipe"]]),
        subtitle=_subtitle(facts),
        style=(folder / "style.css").read_text(encoding="utf-8"),
        sections="\n".join(shown),
    )


def _subtitle(facts: Facts) -> str:
    """One line on what was measured and when."""
    protocol = facts.protocol
    rows = f"{protocol['ranking_rows']:,} {protocol['split']} rows scored" if "ranking_rows" in protocol else ""
    lists = f"{whom(protocol)}, {protocol['catalogue']:,} items" if facts.has_lists else ""
    parts = [lists, rows, tag("time", facts.created[:16].replace("T", " ") + " UTC", datetime=facts.created)]
    return joined(joined([" · ", part]) if i else part for i, part in enumerate(filter(None, parts)))
