"""Tuning: the recipe as it stands, a search around it, and the best found measured on the test against where it began.

The search sees the validation split alone. The test is asked once, for the recipe as it stands and for the best one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from shortlist.core.errors import Problem, RecipeError, UserError
from shortlist.core.extras import need
from shortlist.core.files import fingerprint, remove_folder, whole_file
from shortlist.core.lock import only_one
from shortlist.core.progress import Reporter, Silent
from shortlist.core.threads import cpu_threads
from shortlist.evaluation.lists import list_metrics
from shortlist.evaluation.paired import Contender, Measure, compare
from shortlist.models.catalogue import check_models
from shortlist.pipeline import Run
from shortlist.pipeline.stages import depends, stages_upto
from shortlist.pipeline.watch import Unwatched
from shortlist.recipe import load_recipe
from shortlist.recipe.sections import Recipe
from shortlist.recipe.sources import below
from shortlist.recipe.tune import Tune
from shortlist.schema import Split, TargetKind
from shortlist.tracking.record import NAME as RECORD
from shortlist.tracking.search import SearchRecord
from shortlist.tracking.watch import MlflowWatch
from shortlist.tuning.found import Found, Tuned
from shortlist.tuning.outcome import figures
from shortlist.tuning.page import write_page
from shortlist.tuning.plan import Plan, named_as_tuned, tuned_name
from shortlist.tuning.recipe_text import with_values
from shortlist.tuning.search import scores, search, tried
from shortlist.tuning.space import Values, check, overrides, toml, usual_ranges, values_of
from shortlist.tuning.spark import PURPOSE

_NOT_OF_MODELS = ("data", "schema", "split", "evaluation", "compute", "tracking", "tune")
"""Sections whose settings are no choice between models."""
_OF_ROWS = {
    "auc": (TargetKind.BINARY,),
    "log_loss": (TargetKind.BINARY,),
    "r2": (TargetKind.REGRESSION,),
    "accuracy": (TargetKind.MULTICLASS,),
}
"""Kinds of targets that have a metric of the ranker alone."""
_OF_A_TARGET = {TargetKind.BINARY: "auc", TargetKind.REGRESSION: "r2", TargetKind.MULTICLASS: "accuracy"}
"""The metric of a ranker that is tuned where there are no lists and [tune] names none."""


def tune(
    file: Path,
    given: Sequence[str],
    data_dir: str | None,
    runs: Path,
    reporter: Reporter,
    *,
    out: Path | None = None,
    record: bool = False,
) -> Found:
    """Search the ranges of the recipe's [tune], or the usual ones; going on with a search that was stopped.

    given: overrides of the recipe, `section.setting=value`. runs: folder for runs; the recipe as it stands is run in
    `runs/NAME`, what the search keeps lies in `runs/NAME/tune`, and the run of the best recipe in `runs/NAME-tuned`.
    out: where the best recipe is written; default: `NAME-tuned.toml` beside the recipe. record: with MLflow, the search
    as a run with one below it for each trial.

    Raises:
        RecipeError: a range whose values the recipe does not take, nothing to search, no validation split.
        DataError, EnvironmentFault: as `search`.
    """
    recipe = load_recipe(file, given, data_dir, check_models)
    settings = recipe.tune or Tune()
    out = out or file.with_name(f"{tuned_name(file.stem)}.toml")
    if out.resolve() == file.resolve():
        raise UserError(f"--out {out} is the recipe itself, which the best one would replace: name another file")
    plan = planned(file, given, data_dir, runs / recipe.name, settings)
    # After what is wrong with the recipe, which is to be known without Spark too.
    if settings.spark:
        need("pyspark", "spark", PURPOSE)
    own = Run(plan.recipe(), plan.base, reporter, watch=MlflowWatch(file) if record else Unwatched())
    own.walk("evaluate")
    # Trials take stages of the run of the recipe as it stands, which must stay what it is.
    with only_one(plan.base), SearchRecord(plan.folder, own.recipe, _told(plan), reporter if record else None) as kept:
        found = _searched(replace(plan, record=kept.run_id), settings, own, values_of(recipe, plan.ranges))
        if found.best is not None:
            found = replace(found, tuned=_measured(found.plan, own, found.best, out, record))
        kept.found(figures(found), {"tune.html": write_page(found)})
    return found


def _searched(plan: Plan, settings: Tune, own: Run, values: Values | None) -> Found:
    """All trials, and which of them is better than the recipe as it stands, if one is."""
    own_score = plan.score(replace(own, reporter=Silent(), watch=Unwatched()))
    trials = search(plan, settings, own.reporter, values, own_score)
    found = scores(tried(trials))
    best = max(found, key=lambda number: found[number], default=None)
    better = best is not None and found[best] > own_score
    return Found(plan, trials, own_score, next(t for t in trials if t.number == best) if better else None)


def planned(file: Path, given: Sequence[str], data_dir: str | None, base: Path, settings: Tune) -> Plan:
    """The search that a recipe asks for; its folder is of these ranges, settings and tables, and of no others."""
    plan = Plan(
        file=file,
        given=tuple(given),
        data_dir=data_dir,
        base=base,
        folder=base / "tune",
        ranges=settings.ranges,
        measure=Measure.of("funnel.ndcg@10"),
        threads=1,
    )
    recipe = plan.recipe()
    measure = _measure(recipe, settings)
    ranges = settings.ranges or usual_ranges(recipe, plan.read)
    if problems := [Problem(f"tune.{name}", why) for name in ranges if (why := _unfit(name, measure))]:
        raise RecipeError(problems, file.name)
    if settings.spark and recipe.compute.launcher == "spark":
        why = 'a trial is a task, which cannot start others: leave it out, or say compute.launcher = "torchrun"'
        raise RecipeError([Problem("tune.spark", why)], file.name)
    if settings.spark and recipe.compute.engine == "spark" and (changed := [r for r in ranges if _is_prepared(r)]):
        why = "is prepared anew by Spark in each trial, which an executor cannot start: leave out tune.spark"
        raise RecipeError([Problem(f"tune.{name}", why) for name in changed], file.name)
    check(ranges, plan.read, file.name)
    if not ranges:
        raise RecipeError([Problem("tune", "names no range, and the recipe's models have no usual ones")], file.name)
    if not recipe.split.valid:
        raise RecipeError([Problem("split.valid", "0 leaves nothing to tell trials apart by: raise it")], file.name)
    # A task of Spark has one core, unless spark.task.cpus says otherwise; how many the driver has is no matter.
    on_spark = recipe.compute.threads or 1
    threads = on_spark if settings.spark else max(1, cpu_threads(recipe.compute.threads) // settings.workers)
    ran = [depends(recipe, stage) for stage in stages_upto(recipe, "export")]
    mark = fingerprint([ran, measure.name, [(name, range_.model_dump()) for name, range_ in sorted(ranges.items())]])
    return replace(plan, ranges=ranges, measure=measure, threads=threads, folder=base / "tune" / mark[:12])


def _unfit(setting: str, measure: Measure) -> str | None:
    """Why trials that differ in a setting cannot be told apart by the metric; None where they can."""
    if setting.partition(".")[0] in _NOT_OF_MODELS or setting == "funnel.exclude_seen":
        return "changes what is measured, or nothing of the models: trials that differ in it cannot be compared"
    if setting.startswith("ranking.negatives") and measure.stage == "ranking":
        return f"changes the rows that {measure.name} is measured on: tune by a metric of the funnel's lists"
    return None


def _is_prepared(setting: str) -> bool:
    """Whether trials that differ in a setting differ in their tables."""
    return setting.partition(".")[0] == "features"


def _told(plan: Plan) -> dict[str, str]:
    """What is recorded of a search beside its recipe."""
    ranges = {name: f"{range_.kind} {list(range_.bounds)}" for name, range_ in plan.ranges.items()}
    return {"tune.metric": plan.measure.name, **{f"tune.{name}": text for name, text in ranges.items()}}


def _measure(recipe: Recipe, settings: Tune) -> Measure:
    """What is to be best: as [tune] says, or of the lists, or of the ranker where there are none."""
    if settings.metric is not None:
        return _asked(recipe, Measure.of(settings.metric))
    if recipe.retrieval is not None:
        return Measure.of("funnel.ndcg@10")
    kind = next(iter(recipe.schema_.targets.values())).kind
    return Measure.of(f"ranking.{_OF_A_TARGET[kind]}")


def _asked(recipe: Recipe, measure: Measure) -> Measure:
    """The metric that [tune] names; UserError where the recipe has no such stage, or its target no such metric."""
    stage = recipe.ranking if measure.stage == "ranking" else recipe.retrieval
    if stage is None and measure.stage != "popularity":
        raise UserError(
            f"tune.metric = {measure.name!r}: the recipe has no [{measure.stage}] that it could be measured of"
        )
    if measure.stage == "ranking":
        target = next(iter(recipe.schema_.targets.items()))
        kinds = _OF_ROWS[measure.metric]
        if target[1].kind not in kinds:
            raise UserError(f"tune.metric = {measure.name!r}: target `{target[0]}` is {target[1].kind}, and has none")
    return measure


def _measured(plan: Plan, own: Run, best: FrozenTrial, file: Path, record: bool) -> Tuned:
    """The best trial's recipe written down, its run put beside the other runs, and both measured on the test."""
    with whole_file(file) as draft:
        draft.write_text(_text(plan, best, file), encoding="utf-8")
    recipe = named_as_tuned(load_recipe(file, (), plan.data_dir, check_models), own.recipe.name)
    watch = MlflowWatch(file) if record else Unwatched()
    run = Run(recipe, plan.base.with_name(recipe.name), own.reporter, watch=watch)
    ran = plan.trial_folder(best.params)
    if ran.is_dir():
        # The trial's bundle says how many threads the trial had; the run's own is to say what the recipe says.
        remove_folder(ran / "bundle")
        # And it is recorded as a run of its own, not as the trial.
        (ran / RECORD).unlink(missing_ok=True)
        with only_one(run.folder):
            remove_folder(run.folder)
            ran.rename(run.folder)
    run.walk("evaluate")
    first, second = (Contender(one.recommender(), one.prepared) for one in (own, run))
    shown = _shown(plan.measure, own.recipe)
    return Tuned(file, run, compare(first, second, shown, Split.TEST, own.reporter))


def _text(plan: Plan, best: FrozenTrial, file: Path) -> str:
    """The best recipe as text."""
    given = [entry for entry in plan.given if not entry.startswith("tune.")]
    text = with_values(plan.file.read_text(encoding="utf-8"), given)
    values = tomllib.loads(text)
    own_name = [f"name={toml(tuned_name(values['name']))}"] if "name" in values else []
    return with_values(
        text,
        [*own_name, *_tables_from(plan, values["data"], file), *overrides(best.params, plan.ranges)],
        [f"The best of shortlist tune {plan.file.name}, by {plan.measure.name} of the validation split."],
    )


def _tables_from(plan: Plan, data: Mapping[str, Any], file: Path) -> list[str]:
    """Overrides by which a recipe in another folder finds the tables that its first one names from its own folder."""
    base = plan.file.parent.absolute()
    if plan.data_dir is not None or file.parent.absolute() == base:
        return []
    return [
        f"data.{name}={toml(_from(base, data[name]))}" for name in ("interactions", "users", "items") if name in data
    ]


def _from(base: Path, tables: str | Mapping[str, str]) -> str | dict[str, str]:
    if isinstance(tables, str):
        return below(base, tables)
    return {part: below(base, table) for part, table in tables.items()}


def _shown(measure: Measure, recipe: Recipe) -> list[Measure]:
    """The metric that was tuned, and those of the lists beside it."""
    lists = [f"funnel.{metric}" for metric in list_metrics(recipe.evaluation.metrics)] if recipe.retrieval else []
    return [measure, *(found for name in lists if (found := Measure.of(name)) != measure)]
