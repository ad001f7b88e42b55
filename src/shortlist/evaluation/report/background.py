"""The sections at the end: where the time went, the data, how it was measured, the recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shortlist.evaluation.report.charts import interval_bar
from shortlist.evaluation.report.facts import Facts
from shortlist.evaluation.report.markup import Markup, joined, note, pairs, section, table, tag
from shortlist.evaluation.report.numbers import day, decimal, duration


def times(facts: Facts) -> Markup | None:
    """Seconds of each stage."""
    seconds = facts.metrics["timings_s"]
    most = max([*seconds.values(), 1e-9])
    rows = [
        tag(
            "div",
            tag("span", stage, class_="name"),
            interval_bar(value, None, None, most, "grey"),
            tag("span", duration(value), class_="figure"),
            class_="bars",
        )
        for stage, value in seconds.items()
    ]
    rates = [
        f"{stage} trained at {max(entry['rows_per_s'] for entry in curve):,} rows a second"
        for stage, curve in facts.curves.items()
        if curve
    ]
    text = note("; ".join(rates).capitalize() + ".") if rates else None
    return section("time", "Where the time went", tag("figure", *rows), text)


def data(facts: Facts) -> Markup:
    """What was prepared, and what the audit found."""
    manifest = facts.manifest
    rows, split = manifest["rows"], manifest["split"]
    entries = [
        ("events", f"{sum(rows.values()):,}"),
        ("of them train, valid, test", ", ".join(f"{rows[name]:,}" for name in ("train", "valid", "test"))),
        *((name, f"{manifest[name]:,}") for name in ("users", "items") if manifest[name]),
        ("split", split["kind"]),
    ]
    if split.get("test_from") is not None:
        entries += [("validation from", day(split["valid_from"])), ("test from", day(split["test_from"]))]
    return section("data", "The data", pairs(entries), _audit(manifest["audit"]))


def _audit(audit: Mapping[str, Any]) -> Markup:
    """Rows that were read and kept, and what was found in them."""
    kept = note(f"{audit['rows_kept']:,} of {audit['rows_read']:,} rows were kept.")
    rows = [
        [finding["what"], f"{finding['count']:,}", finding["done"], ", ".join(map(str, finding["examples"]))]
        for finding in audit["findings"]
    ]
    if not rows:
        return joined([kept, note("The audit found nothing amiss.")])
    return joined([kept, table(["the audit found", "how many", "what was done", "such as"], rows)])


def protocol(facts: Facts) -> Markup:
    """Every choice that moves a figure."""
    indexes = "; ".join(_index(stage, about) for stage, about in facts.protocol.get("index", {}).items())
    choices = {name: value if name != "index" else indexes or None for name, value in facts.protocol.items()}
    entries = [[name.replace("_", " "), _written(value)] for name, value in choices.items()]
    return section("protocol", "How it was measured", table(["choice", "this run"], entries))


def _index(stage: str, about: Mapping[str, Any]) -> str:
    """How a source finds the nearest items, and of an approximate index how many of them it finds."""
    if "structure" not in about:
        return f"{stage}: {about['kind']}"
    measured = next(f"{name} {decimal(value)} of an exact search's" for name, value in about.items() if "@" in name)
    return f"{stage}: {about['kind']} {about['structure']}, {measured}"


def recipe(facts: Facts) -> Markup:
    """All settings, written as --set takes them."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in _flat(facts.recipe)]
    text = note("Every setting that applied, defaults among them. Each line is what --set takes.")
    return section("recipe", "The recipe", text, tag("pre", "\n".join(lines)))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names with what is not itself a mapping; what is None is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value)) or "none"
    return str(value)
