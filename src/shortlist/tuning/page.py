"""tune.html: how a search went, in one file that needs nothing from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator

from shortlist.core.files import whole_file
from shortlist.evaluation.report.charts import Axis, Line, interval_bar, line_chart
from shortlist.evaluation.report.markup import Markup, joined, note, section, table, tag, wrapping
from shortlist.evaluation.report.numbers import decimal, duration, percent
from shortlist.tuning.found import Found
from shortlist.tuning.outcome import as_json
from shortlist.tuning.storage import open_storage, open_study

_ENOUGH = 4
"""Finished trials below which nothing can be said of what matters."""


def write_page(found: Found) -> Path:
    """Write tune.html into the folder of a search; returns its path."""
    path = found.plan.folder / "tune.html"
    folder = files("shortlist.evaluation.report")
    template = Template((folder / "template.html").read_text(encoding="utf-8"))
    facts = as_json(found)
    sections = (_worth(facts), _course(facts), _importance(found, facts), _settings(found, facts), _trials(facts))
    name = found.plan.file.name
    page = template.substitute(
        title=joined([f"Tuning {name}"]),
        subtitle=joined([f"{len(facts['trials'])} trials by {facts['metric']} of the validation split"]),
        style=(folder / "style.css").read_text(encoding="utf-8"),
        sections="\n".join(part for part in sections if part is not None),
    )
    with whole_file(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path


def importance(found: Found) -> dict[str, float]:
    """The share of each setting in how scores differ among the better trials, largest first; empty for few trials.

    Watanabe, Bansal, Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces",
    IJCAI 2023.
    """
    study = open_study(open_storage(found.plan.folder))
    finished = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    if len(finished) < _ENOUGH:
        return {}
    return optuna.importance.get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())


def _worth(facts: Mapping[str, Any]) -> Markup:
    """What the best settings are worth on the test."""
    tuned = facts["tuned"]
    if tuned is None:
        said = f"No trial is better on validation than the recipe as it stands: {facts['metric']} "
        return section("worth", "What came of it", note(said, decimal(facts["as_it_stands"]["valid"]), "."))
    rows = [
        (
            wrapping(name),
            decimal(found["first"]),
            decimal(found["second"]),
            _difference(found),
            found["verdict"],
        )
        for name, found in tuned["test"].items()
    ]
    best = next(trial for trial in facts["trials"] if trial["number"] == tuned["trial"])
    settings = table(("setting", "value"), [(wrapping(name), value) for name, value in best["settings"].items()])
    how = (
        "Both on the same users of the test split, which the search has not seen; the interval is that of the "
        "difference within a user, 95 %."
    )
    return section(
        "worth",
        "What came of it",
        table(("on the test", "as it stands", "tuned", "difference", ""), rows),
        note(how),
        settings,
        note("The recipe: ", tuned["recipe"]),
    )


def _difference(found: Mapping[str, Any]) -> str:
    margin = "" if found["low"] is None else f" ± {(found['high'] - found['low']) / 2:.3f}"
    return f"{found['value']:+.3f}{margin}"


def _course(facts: Mapping[str, Any]) -> Markup | None:
    """The metric of each trial in their order, and the best so far."""
    points = [(trial["number"], trial["valid"]) for trial in facts["trials"] if trial["valid"] is not None]
    if len(points) < 2:
        return None
    own = facts["as_it_stands"]["valid"]
    loss = facts["lower_is_better"]
    best = own
    so_far = []
    for number, value in points:
        best = min(best, value) if loss else max(best, value)
        so_far.append((number, best))
    ends = (points[0][0], points[-1][0])
    lines = [
        Line("as it stands", "grey", [(end, own) for end in ends], dots=False, dashed=True),
        Line("best so far", "funnel", so_far, dots=False),
        Line("trial", "retrieval", points, joined=False),
    ]
    x, y = Axis.over("trial", ends), Axis.over(facts["metric"], [own, *(value for _, value in points)])
    return section("course", "How it went", line_chart("Trials", lines, x, y))


def _importance(found: Found, facts: Mapping[str, Any]) -> Markup | None:
    """A bar for each setting."""
    shares = importance(found)
    if not shares:
        return None
    most = max(shares.values())
    rows = [
        (wrapping(name), percent(share), interval_bar(share, None, None, most, "funnel"))
        for name, share in shares.items()
    ]
    text = note(
        "The share of each setting in how the better trials differ from the others (PED-ANOVA); of few trials, a guess."
    )
    return section("importance", "What mattered", table(("setting", "share", ""), rows), text)


def _settings(found: Found, facts: Mapping[str, Any]) -> Markup | None:
    """The metric by the value of each setting that is a number."""
    charts = [
        chart
        for name, range_ in found.plan.ranges.items()
        if range_.choice is None and (chart := _by_value(facts, name, range_.kind.startswith("log"))) is not None
    ]
    return section("settings", "Setting by setting", tag("div", *charts, class_="columns")) if charts else None


def _by_value(facts: Mapping[str, Any], name: str, by_factors: bool) -> Markup | None:
    points = [
        (math.log10(float(trial["settings"][name])) if by_factors else float(trial["settings"][name]), trial["valid"])
        for trial in facts["trials"]
        if trial["valid"] is not None
    ]
    if len(points) < 2:
        return None
    x = Axis.over(f"{'log10 of ' if by_factors else ''}{name}", [at for at, _ in points])
    y = Axis.over(facts["metric"], [value for _, value in points])
    return line_chart(name, [Line("trial", "retrieval", points, joined=False)], x, y)


def _trials(facts: Mapping[str, Any]) -> Markup:
    """Every trial with its settings."""
    names: Sequence[str] = list(facts["ranges"])
    rows = [
        (
            trial["number"],
            decimal(trial["valid"]) if trial["state"] == "finished" else trial["state"],
            *(trial["settings"].get(name, "-") for name in names),
            "-" if trial["seconds"] is None else duration(trial["seconds"]),
            trial["message"].splitlines()[-1] if trial["message"] else "",
        )
        for trial in facts["trials"]
    ]
    headings = ("trial", facts["metric"], *map(wrapping, _without_section(names)), "time", "")
    return section("trials", "Trials", table(headings, rows))


def _without_section(names: Sequence[str]) -> list[str]:
    """Dotted names without the section that all of them are of, which would make a wide table of narrow columns."""
    sections = {name.partition(".")[0] for name in names}
    return [name.partition(".")[2] if len(sections) == 1 else name for name in names]
