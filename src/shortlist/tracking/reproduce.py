"""A recorded run done again from what was recorded, and its figures held against those of before."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.core.errors import RecipeError, UserError
from shortlist.core.files import read_json
from shortlist.core.progress import Reporter
from shortlist.core.settings import read_settings
from shortlist.core.threads import cpu_threads
from shortlist.core.version import __version__
from shortlist.models.catalogue import check_models
from shortlist.pipeline import Run
from shortlist.recipe.sections import Recipe
from shortlist.tracking.registry import mlflow_errors
from shortlist.tracking.store import Store

TOLERANCE = 1e-6
"""Figures that differ by no more count as the same: sums are rounded in another order with other threads."""


@dataclass(frozen=True)
class Figure:
    """One metric, as it was recorded and as it came out again; None where it was not measured."""

    name: str
    before: float | None
    again: float | None

    @property
    def is_same(self) -> bool:
        """Whether it is the same but for rounding."""
        if self.before is None or self.again is None:
            return self.before is self.again
        return math.isclose(self.before, self.again, rel_tol=0, abs_tol=TOLERANCE)


@dataclass(frozen=True)
class Reproduced:
    """A run and its repetition."""

    run_id: str
    run: Run
    figures: tuple[Figure, ...]
    changes: tuple[str, ...]
    """What is not as it was: another version, other tables, other threads."""

    @property
    def is_same(self) -> bool:
        """Whether every figure is the same but for rounding."""
        return all(figure.is_same for figure in self.figures)


def reproduce(run_id: str, runs: Path, reporter: Reporter) -> Reproduced:
    """Do a recorded run again in `runs/reproduced-ID`, from its recipe and the tables where they lay, each stage anew.

    Raises:
        UserError: no such run, or one that was not measured; RecipeError where this version does not read its recipe.
    """
    tags, recipe_values, before = _recorded(run_id)
    recipe = _read(recipe_values, f"the recipe of run {run_id}, by shortlist {tags.get('shortlist.version', '?')}")
    run = Run(recipe, runs / f"reproduced-{run_id[:8]}", reporter, force=True)
    run.walk("evaluate")
    after = dict(_values(run.metrics()))
    names = dict.fromkeys([*dict(_values(before)), *after])
    figures = tuple(Figure(name, dict(_values(before)).get(name), after.get(name)) for name in names)
    return Reproduced(run_id, run, figures, tuple(_changes(tags, run)))


def _read(values: Mapping[str, Any], what: str) -> Recipe:
    """The recorded recipe as this version understands it."""
    recipe, problems = read_settings(Recipe, values)
    if recipe is not None:
        problems = check_models(recipe.model_dump(by_alias=True, exclude_defaults=True))
    if recipe is None or problems:
        raise RecipeError(problems, what)
    return recipe


def _recorded(run_id: str) -> tuple[Mapping[str, str], dict[str, Any], dict[str, Any]]:
    """Tags, recipe and metrics.json of a run."""
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder, mlflow_errors():
        store = Store.open()
        try:
            tags: Mapping[str, str] = store.client.get_run(run_id).data.tags
            names = ("recipe.json", "metrics.json")
            recipe, metrics = (read_json(Path(store.client.download_artifacts(run_id, name, folder))) for name in names)
        except (MlflowException, OSError) as error:
            raise UserError(
                f"cannot do run {run_id} again: {error}. Expected the id of a run that `shortlist run` has recorded "
                f"and measured, at {store.uri}; `mlflow ui` lists them"
            ) from error
    return tags, recipe, metrics


def _values(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Each metric of metrics.json by `stage.metric`."""
    for stage, measured in metrics["stages"].items():
        for name, found in measured.items():
            yield f"{stage}.{name}", found["value"]


def _changes(tags: Mapping[str, str], run: Run) -> Iterator[str]:
    """What is not as it was when the run was recorded."""
    data, threads = run.prepared.manifest["fingerprint"], str(cpu_threads(run.recipe.compute.threads))
    now = {"shortlist.version": __version__, "shortlist.data": data, "machine.threads": threads}
    what = ("shortlist", "the tables, or the version that prepared them", "threads")
    for (name, value), meant in zip(now.items(), what, strict=True):
        if name in tags and tags[name] != value:
            yield f"{meant}: {tags[name]} then, {value} now"
