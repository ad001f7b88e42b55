"""The section with the result: every stage beside the baseline, and where the truth was lost."""

from __future__ import annotations

from collections.abc import Mapping

from shortlist.evaluation.lists import SHOWN
from shortlist.evaluation.report.charts import interval_bar, legend, stacked_bar
from shortlist.evaluation.report.facts import Facts
from shortlist.evaluation.report.markup import Markup, joined, note, section, table, tag, wrapping
from shortlist.evaluation.report.numbers import estimate, percent
from shortlist.evaluation.table import among, headline, lists_of

_COLOURS = {"popularity": "popularity", "funnel": "funnel"}
"""Of bars; those of sources have the colour of retrieval."""
RANKING = {
    "auc": "AUC",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "calibration_error_before": "the same before calibration",
    "r2": "R²",
    "rmse": "root mean squared error",
}
"""Names for people, where a metric's own is not one."""


def worth(facts: Facts) -> Markup:
    """The headline metrics as bars with intervals, then every metric in a table."""
    parts: list[Markup] = []
    if facts.has_lists:
        charts = [_bars(facts, metric) for metric in headline(facts.metrics)]
        parts = [tag("div", *charts, class_="columns"), _all_lists(facts)]
    if facts.stages.get("ranking"):
        parts.append(_ranker(facts))
    if not parts:
        parts = [note("There was nothing to measure: no user and no row is held out.")]
    return section("worth", "What it is worth", *parts)


def lost(facts: Facts) -> Markup | None:
    """Which stage of the funnel lost what people went on to choose."""
    if not facts.has_lists:
        return None
    shares = facts.metrics["lost"]
    below = f"{'a candidate' if 'candidates' in facts.protocol else 'in the list'}, ranked below {SHOWN}"
    parts = [
        (f"shown among the first {SHOWN}", facts.metrics[f"found@{SHOWN}"], "funnel"),
        (below, shares[f"ranked_below_{SHOWN}"], "late"),
        ("lost by the index", shares["index"], "index"),
        (f"not among {among(facts.protocol)}", shares["not_among_candidates"], "early"),
        ("not in the catalogue", shares["not_in_catalogue"], "absent"),
    ]
    entries = [(joined([tag("b", percent(share)), " ", name]), colour) for name, share, colour in parts]
    return section(
        "lost",
        "Where the truth was lost",
        stacked_bar(parts, "Shares of the held-out items"),
        legend(entries),
        note(
            "Shares of each user's held-out items, averaged over users: what was shown is the recall "
            f"of the funnel at {SHOWN}."
        ),
    )


def breakable(measured: Mapping[str, float | None]) -> Markup:
    """An estimate whose half interval goes to a line of its own where the screen is narrow."""
    value, _, half = estimate(measured).partition(" ")
    return joined([value, " ", tag("span", half, class_="half")] if half else [value])


def _bars(facts: Facts, metric: str) -> Markup:
    """One metric: a bar for each stage."""
    measured = {stage: facts.stages[stage][metric] for stage in lists_of(facts.stages)}
    most = max([entry["high"] or entry["value"] for entry in measured.values()] + [1e-9])
    rows = [
        tag(
            "div",
            tag("span", stage, class_="name"),
            interval_bar(entry["value"], entry["low"], entry["high"], most, _COLOURS.get(stage, "retrieval")),
            tag("span", estimate(entry), class_="figure"),
            class_="bars",
        )
        for stage, entry in measured.items()
    ]
    return tag("figure", tag("figcaption", metric), *rows)


def _all_lists(facts: Facts) -> Markup:
    stages = lists_of(facts.stages)
    rows = [
        [wrapping(metric), *(breakable(facts.stages[stage][metric]) for stage in stages)]
        for metric in facts.stages["funnel"]
    ]
    return table(["metric", *stages], rows, class_="numbers")


def _ranker(facts: Facts) -> Markup:
    """Each metric of rows for each target, and what the lists within groups are worth."""
    alone = facts.stages["ranking"]
    tasks = facts.metrics.get("tasks") or {"ranker": {name: alone[name] for name in alone if "@" not in name}}
    names = dict.fromkeys(name for measured in tasks.values() for name in measured)
    rows = [
        [RANKING.get(name, name), *(breakable(m[name]) if name in m else "-" for m in tasks.values())] for name in names
    ]
    return joined(
        [
            tag("h3", "The ranker alone"),
            table(["metric", *tasks], rows, class_="numbers"),
            note(f"On {facts.protocol['ranking_rows']:,} rows: {facts.protocol['ranking']}."),
            _within_groups(facts),
        ]
    )


def _within_groups(facts: Facts) -> Markup | None:
    measured = {name: value for name, value in facts.stages["ranking"].items() if "@" in name}
    if not measured:
        return None
    protocol = facts.protocol
    rows = [[name, estimate(value)] for name, value in measured.items()]
    return joined(
        [
            table(["metric", f"per {protocol['group']}"], rows, class_="numbers"),
            note(
                f"Over {protocol['groups']:,} groups of rows that were shown together, each in the ranker's order; "
                f"{protocol['groups_without_relevant']:,} groups without a relevant row are left out."
            ),
        ]
    )
