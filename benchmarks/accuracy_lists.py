"""What the tables of retrieval share: settings chosen on validation, the chosen ones measured on the test, once a seed.

A row is a model with its settings. It is run as `shortlist run` would: prepared, trained, exported, and the exported
bundle's own lists measured. What each run gave is kept, so that a comparison that was stopped goes on.
"""

from __future__ import annotations

import inspect
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy_choice import choose, refuse
from benchmarks.accuracy_parts import code
from benchmarks.accuracy_table import mean, mean_sd, table
from benchmarks.harness import Goal, Options, all_met, at_least, at_most, say
from benchmarks.result import Result
from shortlist.core.files import fingerprint, read_json, sha256, write_json
from shortlist.core.progress import Terminal
from shortlist.core.threads import cpu_threads
from shortlist.evaluation.report.curves import best_epoch
from shortlist.evaluation.runner import evaluate
from shortlist.models.catalogue import is_fitted
from shortlist.pipeline import Run
from shortlist.pipeline.stages import marker
from shortlist.recipe.sections import Evaluation, Recipe
from shortlist.schema import Split

SEEDS = 3
HOW = (
    "A training's epoch is the one with the best NDCG@10 of at most 10,000 validation requests; settings are those "
    "with the best {} of all of them. What answers is the exported bundle, as it would be served. A model that is "
    "fitted in one go is the same with every seed, but for ALS, which begins at random. Seconds are of training on the "
    "cores told, validation included."
)
DECIDES_ALONG = ("bundle", "evaluation", "export", "funnel", "index", "metrics", "pipeline", "recipe")
"""Packages that decide what a run gives, beside those that train."""
Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row: a model, and what is tried of it."""

    retrieval: Settings
    """The recipe's [retrieval], `model` with its `name` among it."""
    choices: tuple[Settings, ...] = ({},)
    """Further settings of [retrieval]: those that are best on validation are taken."""
    recipe: Settings = field(default_factory=dict)
    """Further sections, where the row reads its tables in another way."""
    beside: str | None = None
    """The published row that it is to reach."""
    within: float | None = None
    """Seconds that its training may take on two cores."""
    begins_at_random: bool = False
    """Of a model that is fitted in one go: whether another seed gives another fit."""
    most_seeds: int | None = None
    """What is affordable of a long training; None for as many as are asked for."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A row of a published table."""

    values: tuple[float, ...]
    """In the order of the comparison's metrics."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One table."""

    data_set: str
    recipe: Recipe
    """Of the tables and their split; what it says of models is not read."""
    data: str
    """A hash of the tables."""
    entries: Mapping[str, Entry]
    metrics: tuple[str, ...]
    """Of the table; the last one decides on validation."""
    refit: bool
    """Whether the chosen settings are trained again with the validation rows among train, for as many epochs as were
    best; else the test is measured by what validation has stopped, which has the validation rows in its histories."""
    published: Mapping[str, Published]
    goals: Mapping[str, tuple[float, ...]]
    """What the row that is best on validation is to reach in every metric, under the name of the goal."""
    how: tuple[str, ...]
    measure: Callable[[Run, Split, tuple[str, ...]], dict[str, float]] | None = None
    """How a run's lists are measured, in a module of its own: what is kept depends on that. None: over the whole
    catalogue, as every run is."""


def compare(comparison: Comparison, options: Options) -> Result:
    """Choose, train and measure what is asked for."""
    refuse(options.peers, "--peers", f"{comparison.data_set} is compared with published figures alone")
    refuse(options.peer_seeds, "--peer-seeds", f"{comparison.data_set} is compared with published figures alone")
    work = _Work.of(comparison, options)
    rows = {name: work.row(name) for name in choose("models", options.models, comparison.entries)}
    goals = goals_of(comparison, rows)
    return Result(
        name="accuracy",
        passed=all_met(goals),
        unit=comparison.metrics[-1],
        ours=rows[best_on_validation(rows)]["test"][comparison.metrics[-1]]["mean"],
        goals=goals,
        details={
            "data_set": comparison.data_set,
            "tables": _tables(comparison, rows),
            "settings": {name: row["settings"] for name, row in rows.items()},
            "left_out": [name for name in comparison.entries if name not in rows],
            "how": (*comparison.how, HOW.format(comparison.metrics[-1])),
        },
    )


def recipe_of(comparison: Comparison, entry: Entry, choice: Settings, seed: int) -> Recipe:
    """The comparison's recipe with these settings of [retrieval], and lists no longer than the metrics need."""
    values = comparison.recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    longest = max(int(metric.partition("@")[2]) for metric in comparison.metrics)
    own = {
        "seed": seed,
        "retrieval": merged(entry.retrieval, choice),
        "sources": {},
        "funnel": {"candidates": longest, "exclude_seen": values["funnel"]["exclude_seen"]},
        "evaluation": {"metrics": comparison.metrics},
    }
    kept = {name: section for name, section in values.items() if name != "ranking"}
    return Recipe.model_validate(merged({**kept, **own}, entry.recipe))


def refitted(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with nothing held out for validation, to train so many epochs; None for a model that has none."""
    values = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    trained = {} if epochs is None else {"epochs": epochs}
    return Recipe.model_validate(
        {**values, "split": {**values["split"], "valid": 0}, "retrieval": {**values["retrieval"], **trained}}
    )


def over_catalogue(run: Run, split: Split, metrics: tuple[str, ...]) -> dict[str, float]:
    """Each metric of the bundle's own lists for the held-out users of `split`."""
    found = evaluate(run.recommender(), run.prepared, split=split, settings=Evaluation(metrics=metrics))
    return {metric: float(found["stages"]["funnel"][metric]["value"]) for metric in metrics}


def merged(first: Settings, second: Settings) -> dict[str, Any]:
    """The values of both, tables within tables too; the second's where both have one."""
    found = dict(first)
    for name, value in second.items():
        before = found.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        found[name] = merged(before, value) if both else value  # type: ignore[arg-type]  # `both` says so
    return found


def goals_of(comparison: Comparison, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Goal]:
    """Each row's published counterpart in every metric, and what one row alone is to reach; to four digits.

    That one is the best on validation: a row for each metric, or the best on the test, would be chosen by the answer.
    """
    found = {}
    for name, row in rows.items():
        entry = comparison.entries[name]
        values = comparison.published[entry.beside].values if entry.beside else ()
        for metric, asked in zip(comparison.metrics, values, strict=False):
            reached = round(row["test"][metric]["mean"], 4)
            found[f"{name}: {metric}, at least the published {entry.beside}'s"] = at_least(asked, reached)
        if entry.within is not None:
            found[f"{name}: seconds of training, at most"] = at_most(entry.within, row["seconds"])
    for what, values in comparison.goals.items():
        best = best_on_validation(rows)
        for metric, asked in zip(comparison.metrics, values, strict=True):
            reached = round(rows[best]["test"][metric]["mean"], 4)
            found[f"best on validation, {best}: {metric}, at least {what}"] = at_least(asked, reached)
    return found


def best_on_validation(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the row whose chosen settings were the best on validation, which the first seed measures."""
    return max(rows, key=lambda name: rows[name]["valid"])


@dataclass(frozen=True)
class _Work:
    """One comparison under way."""

    comparison: Comparison
    folder: Path
    mark: str
    """A hash of the tables, and of the code that trains and measures."""
    seeds: tuple[int, ...]
    quick: bool

    @classmethod
    def of(cls, comparison: Comparison, options: Options) -> _Work:
        """Rid of the runs of other tables or other code."""
        folder = options.folder(f"accuracy/{comparison.data_set}{'/quick' if options.quick else ''}")
        mark = fingerprint([comparison.data, code(*DECIDES_ALONG), *_measuring(comparison)])
        for other in folder.glob("run-*"):
            if not other.name.startswith(f"run-{mark}-"):
                shutil.rmtree(other)
        seeds = 1 if options.quick else options.seeds or SEEDS
        return cls(comparison, folder, mark, tuple(range(options.seed, options.seed + seeds)), options.quick)

    def row(self, name: str) -> dict[str, Any]:
        """A model's figures on the test, with the settings that validation has chosen."""
        entry, decides = self.comparison.entries[name], self.comparison.metrics[-1]
        choices = entry.choices[:1] if self.quick else entry.choices
        tried = [self.measured(name, self.recipe(entry, choice, self.seeds[0]), Split.VALID) for choice in choices]
        best = max(range(len(tried)), key=lambda place: tried[place]["metrics"][decides])
        tests = self.tested(name, choices[best], tried[best]["epochs"])
        return {
            "settings": merged(entry.retrieval, choices[best]),
            "tried": [
                {"settings": json.dumps(choice), decides: found["metrics"][decides]}
                for choice, found in zip(choices, tried, strict=True)
            ],
            "valid": tried[best]["metrics"][decides],
            "test": {m: mean_sd([found["metrics"][m] for found in tests]) for m in self.comparison.metrics},
            "seeds": len(tests),
            "epochs": mean([found["epochs"] for found in tests]) if tried[best]["epochs"] else None,
            "seconds": mean([found["seconds"] for found in tests]),
            "cores": tests[0]["cores"],
            "mib": tests[0]["mib"],
        }

    def recipe(self, entry: Entry, choice: Settings, seed: int) -> Recipe:
        """The recipe of a row; of one epoch to see whether it runs."""
        found = recipe_of(self.comparison, entry, choice, seed)
        if not self.quick:
            return found
        assert found.retrieval is not None
        return found.model_copy(update={"retrieval": found.retrieval.model_copy(update={"epochs": 1})})

    def tested(self, name: str, choice: Settings, epochs: int | None) -> list[dict[str, Any]]:
        """The test's figures of each seed; of one where all seeds give the same model."""
        entry = self.comparison.entries[name]
        recipes = [self.recipe(entry, choice, seed) for seed in self.seeds[: entry.most_seeds]]
        model = recipes[0].retrieval and recipes[0].retrieval.model
        if model and is_fitted(model) and not entry.begins_at_random:
            recipes = recipes[:1]
        final = [refitted(recipe, epochs) for recipe in recipes] if self.comparison.refit else recipes
        return [self.measured(name, recipe, Split.TEST) for recipe in final]

    def measured(self, name: str, recipe: Recipe, split: Split) -> dict[str, Any]:
        """The figures of a recipe on a split: what is kept of them from before, or measured now."""
        values = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
        depends = fingerprint([self.mark, split, {key: value for key, value in values.items() if key != "data"}])
        kept = self.folder / "kept" / f"{name}-{split.name.lower()}-{depends}.json"
        if kept.is_file():
            say(f"{name}, {split.name.lower()}: kept from before")
            before: dict[str, Any] = read_json(kept)
            return before
        say(f"{name}, {split.name.lower()}, seed {recipe.seed}:")
        run = Run(recipe, self.folder / f"run-{self.mark}-{'choosing' if recipe.split.valid else 'final'}", Terminal())
        run.walk("export")
        found = {"metrics": (self.comparison.measure or over_catalogue)(run, split, self.comparison.metrics)}
        found |= _facts(run)
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, found)
        say(f"{name}: {found}")
        return found


def _measuring(comparison: Comparison) -> list[str]:
    """A hash of the module that measures in another way than every run is."""
    measure = comparison.measure
    if measure is None:
        return []
    return [sha256(Path(inspect.getfile(measure.func if isinstance(measure, partial) else measure)))]


def _facts(run: Run) -> dict[str, Any]:
    """What the training of a run has cost, on how many cores, and its best epoch; None of a model that has none."""
    curve = run.folder / "retrieval" / "history.json"
    source = run.folder / "bundle" / "retrieval"
    return {
        "epochs": _kept_epoch(read_json(curve)) if curve.is_file() else None,
        "seconds": float(read_json(run.folder / marker("retrieval"))["seconds"]),
        "cores": cpu_threads(None),
        "mib": math.ceil(sum(path.stat().st_size for path in source.rglob("*") if path.is_file()) / 2**20),
    }


def _kept_epoch(curve: Sequence[Settings]) -> int:
    """The number of the epoch whose weights were exported; without validation it is the last one."""
    return int(curve[best_epoch(curve) if curve[0]["valid"] else -1]["epoch"])


def _tables(comparison: Comparison, rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Ours beside the counterpart of each, and all that is published."""
    ours = {name: _cells(comparison, name, row) for name, row in rows.items()}
    theirs = {
        name: {**dict(zip(comparison.metrics, found.values, strict=True)), "by": found.source}
        for name, found in comparison.published.items()
    }
    tried = {
        f"{name} {choice['settings']}": {f"{comparison.metrics[-1]} of validation": choice[comparison.metrics[-1]]}
        for name, row in rows.items()
        for choice in row["tried"]
        if len(row["tried"]) > 1
    }
    return [
        table("Ours on the test, mean ± standard deviation over seeds, and the published row beside it", ours),
        table("Published", theirs),
        *([table("What was tried on validation", tried)] if tried else []),
    ]


def _cells(comparison: Comparison, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    beside = comparison.entries[name].beside
    published = comparison.published[beside].values if beside else [None] * len(comparison.metrics)
    return {
        **row["test"],
        **{f"published {metric}": value for metric, value in zip(comparison.metrics, published, strict=True)},
        f"{comparison.metrics[-1]} of validation": row["valid"],
        "seeds": row["seeds"],
        "epochs": row["epochs"],
        "seconds": row["seconds"],
        "cores": row["cores"],
        "exported, MiB": row["mib"],
    }
