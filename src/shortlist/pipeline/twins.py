"""Twins of a ranker: each target learned alone, to see whether the targets help or hurt each other."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from shortlist.core.errors import Problem, RecipeError
from shortlist.core.files import clear_unfinished, fingerprint, read_json, remove_folder, whole_folder, write_json
from shortlist.core.lock import only_one
from shortlist.core.progress import Renamed
from shortlist.evaluation.report.curves import best_epoch
from shortlist.features.rows import Ints
from shortlist.pipeline.run import Run, checkpoints_folder, checkpoints_of
from shortlist.pipeline.stages import marker
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.sections import Recipe
from shortlist.schema import Target

FOLDER = "twins"


_NOTE = (
    "On validation rows: together at the epoch that is best for the first target, alone each at its own best; "
    "± the 95 % interval of the difference."
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One target on validation rows: predicted by the ranker of all targets, and by its own."""

    target: str
    metric: str
    together: float
    alone: float
    margin: float | None
    """Half of the 95 % interval of the difference on these rows, which is wider where users have many of them; None
    where there are too few rows for any."""

    @property
    def hurts(self) -> bool:
        """Whether the target is better off alone, by more than other rows might change."""
        return self.margin is not None and self.alone - self.together > self.margin


def compare_tasks(run: Run) -> tuple[Comparison, ...]:
    """Train the run's ranker, and beside it in `twins/NAME` one for each target alone; what is done is left as it is.

    A twin has the recipe's settings and learns from the same prepared rows, negatives among them; either ranker is
    taken at its best epoch, that of all targets at the one that is best for the first target. The table goes to the
    reporter. A target whose validation rows are all alike is left out.

    Raises:
        RecipeError: there is no ranker, or it has fewer than two targets.
    """
    ranking = _ranking_of_several(run.recipe)
    run.walk("train")
    from shortlist.training.ranking_metrics import difference, metric_names
    from shortlist.training.validation_rows import ValidationRows

    targets = run.prepared.schema.targets
    together = _at_its_best(run.folder / "ranking")
    candidates_UK = run.negatives()
    rows = ValidationRows(run.prepared, run.recipe, candidates_UK)
    predicted_NT, targets_NT, weight_N = rows.predicted(run.folder / "ranking")
    found = []
    with only_one(run.folder):
        clear_unfinished(run.folder / FOLDER)
        for place, (target, name) in enumerate(zip(targets, metric_names(targets), strict=True)):
            if name not in together:
                run.reporter.say("compare", f"`{target.name}` is left out: its validation rows are all alike")
                continue
            twin = _trained(run, ranking, target, candidates_UK)
            alone_N = rows.predicted(twin, target)[0][:, 0]
            apart = difference(target, predicted_NT[:, place], alone_N, targets_NT[:, place], weight_N)
            margin = None if math.isnan(apart.high) else (apart.high - apart.low) / 2
            (metric,) = metric_names([target])
            found.append(Comparison(target.name, metric, together[name], _at_its_best(twin)[metric], margin))
    run.reporter.say("compare", comparison_table(found, ranking))
    return tuple(found)


def comparison_table(found: Sequence[Comparison], ranking: Ranking) -> str:
    """A row for each target, and a warning for each that the others harm."""
    if not found:
        return "nothing to compare: the validation rows of every target are all alike"
    width = max(len(name) for name in ("target", *(row.target for row in found)))
    lines = [f"{'target':<{width}}  {'metric':<10}{'together':>10}{'alone':>10}{'difference':>12}"]
    for row in found:
        figures = f"{_short(row.together):>10}{_short(row.alone):>10}{row.together - row.alone:>+12.4f}"
        margin = "" if row.margin is None else f" ± {_short(row.margin)}"
        lines.append(f"{row.target:<{width}}  {row.metric:<10}{figures}{margin}")
    remedy = _remedy(ranking)
    warnings = [
        f"warning: `{row.target}` is better alone ({_short(row.alone)} against {_short(row.together)}): "
        f"the targets hurt each other{f'; try {remedy}' if remedy else ''}"
        for row in found
        if row.hurts
    ]
    return "\n".join([*lines, _NOTE, *warnings])


def _ranking_of_several(recipe: Recipe) -> Ranking:
    """The recipe's [ranking], which must have targets to compare."""
    if recipe.ranking is None:
        raise RecipeError([Problem("ranking", "the recipe has no ranker whose targets could be compared")], recipe.name)
    names = tuple(recipe.schema_.targets)
    if len(names) < 2:
        there = f"only `{names[0]}`" if names else "none"
        message = f"comparing tasks takes two targets or more, and there is {there}. Name another beside it"
        raise RecipeError([Problem("schema.targets", message)], recipe.name)
    return recipe.ranking


def _trained(run: Run, ranking: Ranking, target: Target, candidates_UK: Ints | None) -> Path:
    """The folder of the target's twin, trained unless that is done and nothing it depends on has changed."""
    from shortlist.training.launch.train import train
    from shortlist.training.launch.work import Work

    started = time.perf_counter()
    folder, reporter = run.folder / FOLDER / target.name, Renamed(run.reporter, "alone", f"{target.name}: ")
    of_ranking = run.folder / marker("ranking")
    inputs = fingerprint([read_json(of_ranking)["fingerprint"], target.name])
    left = folder / of_ranking.name
    if not run.force and left.is_file() and read_json(left)["fingerprint"] == inputs:
        reporter.say("ranking", "done before, nothing it depends on has changed")
        return folder
    checkpoints = checkpoints_of(folder, inputs, partial(reporter.say, "ranking"))
    settings = ranking.model_copy(update={"loss_weights": {}})
    recipe = run.recipe.model_copy(update={"ranking": settings})
    with whole_folder(folder) as draft:
        work = Work(
            prepared=run.prepared,
            recipe=recipe,
            stage="ranking",
            folder=draft,
            checkpoints=checkpoints,
            candidates_UK=candidates_UK,
            only=target,
        )
        train(work, reporter)
        write_json(draft / left.name, {"fingerprint": inputs, "seconds": round(time.perf_counter() - started, 3)})
    remove_folder(checkpoints_folder(folder))
    return folder


def _at_its_best(folder: Path) -> dict[str, float]:
    """Validation metrics of the epoch that was kept."""
    curve: list[dict[str, Any]] = read_json(folder / "history.json")
    valid: dict[str, float] = curve[best_epoch(curve)]["valid"]
    return valid


def _remedy(ranking: Ranking) -> str | None:
    """What may help and is not in force; None for a model that has no ways of sharing to choose from."""
    from shortlist.models.catalogue import RANKING

    if "tasks" not in RANKING[ranking.model.name].Config.model_fields:
        return None
    tasks = ranking.model.settings().get("tasks")
    kind = tasks.get("kind") if isinstance(tasks, dict) else tasks
    remedies = {
        'ranking.model.tasks = "ple"': kind != "ple",
        'ranking.loss_weights = "uncertainty"': ranking.loss_weights != "uncertainty",
    }
    return next((remedy for remedy, is_new in remedies.items() if is_new), None)


def _short(value: float) -> str:
    """Four decimals, without the zero before the point."""
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"
