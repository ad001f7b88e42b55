"""The Python API: the same objects that the commands use.

import shortlist as sl

recipe = sl.load_recipe("recipes/movielens_1m.toml", data_dir="data/ml-1m")
data = sl.prepare(recipe)
rec = sl.fit(data)
rec.recommend([1, 2, 3], k=10, exclude_seen=True)
rec.save("movies.bundle")
sl.load("movies.bundle")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RecipeError
from shortlist.core.progress import Reporter, Silent
from shortlist.models.catalogue import check_models
from shortlist.pipeline.run import Run
from shortlist.pipeline.watch import Unwatched, Watch
from shortlist.recipe import read
from shortlist.recipe.sections import Recipe


def load_recipe(path: str | Path, overrides: Sequence[str] = (), data_dir: str | Path | None = None) -> Recipe:
    """Read a recipe file, its models' settings included; RecipeError with all problems together.

    overrides: `section.setting=value` texts. data_dir: where the tables are; by default beside the recipe.
    """
    return read.load_recipe(path, overrides, data_dir, check=check_models)


def prepare(
    recipe: Recipe | str | Path,
    folder: str | Path | None = None,
    reporter: Reporter | None = None,
    force: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Prepare the recipe's tables in `folder` (default `runs/NAME`), unless that is done and unchanged.

    `watch` looks on at this and at what `fit` and `evaluate` do with the run: `sl.MlflowWatch()` records it.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    elif problems := check_models(recipe.model_dump(by_alias=True, exclude_defaults=True)):
        raise RecipeError(problems, recipe.name)
    run = Run(
        recipe, Path(folder or Path("runs") / recipe.name), reporter or Silent(), force, watch=watch or Unwatched()
    )
    run.walk("prepare")
    return run


def fit(data: Run) -> Recommender:
    """Train the recipe's stages on prepared data and export them: a recommender over the bundle."""
    data.walk("export")
    return data.recommender()


def evaluate(data: Run) -> dict[str, Any]:
    """Measure the bundle's funnel on held-out users; the content of metrics.json, beside which lies report.html."""
    data.walk("evaluate")
    return data.metrics()
