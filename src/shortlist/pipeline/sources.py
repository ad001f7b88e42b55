"""The sources of a run: each a stage that trains, and leaves in its folder what answers.

A stage's folder has the weights and the learning curve; in `source/` is what is exported of it, read by the ranker's
training, the bundle and the evaluation alike.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shortlist.core.errors import RecipeError
from shortlist.core.files import copy_with_holes
from shortlist.core.profile import span
from shortlist.core.progress import Renamed, Reporter
from shortlist.data.held_out import hold_out
from shortlist.data.prepared import Prepared
from shortlist.evaluation.protocol import questions
from shortlist.funnel.columns import Source
from shortlist.funnel.sources.folder import Surroundings, add_index, mixed, open_sources
from shortlist.recipe.sections import Recipe, sources_of
from shortlist.schema import Side, Split

_EXPORTED = "source"
QUERIES = 1000
"""Most validation requests that indexes are measured by."""


def check_sources(prepared: Prepared, recipe: Recipe) -> None:
    """Refuse sources whose settings the prepared users do not bear out, before any is trained: RecipeError."""
    with span("import"):
        from shortlist.models.catalogue import check_user_fields

    sources = {stage.replace("/", "."): source for stage, source in sources_of(recipe).items()}
    if problems := check_user_fields(sources, prepared.schema.inputs(Side.USER)):
        raise RecipeError(problems, recipe.name)


def train_source(
    prepared: Prepared,
    recipe: Recipe,
    stage: str,
    folder: Path,
    checkpoints: Callable[[], Path],
    reporter: Reporter,
) -> dict[str, dict[str, float]]:
    """Train or fit the source of a stage into `folder`, and export it there; facts for the stage's marker.

    `checkpoints` gives the folder of checkpoints to a model that has any.
    """
    with span("import"):
        from shortlist.export.towers import export_towers
        from shortlist.models.catalogue import is_fitted
        from shortlist.training.launch.train import train
        from shortlist.training.launch.work import Work
        from shortlist.training.stages import fit_retrieval, load_retrieval

    settings, reporter = sources_of(recipe)[stage], Renamed(reporter, stage)
    if is_fitted(settings.model):
        return {"valid": fit_retrieval(prepared, recipe, settings, folder / _EXPORTED, reporter)}
    work = Work(prepared=prepared, recipe=recipe, stage=stage, folder=folder, checkpoints=checkpoints())
    train(work, reporter)
    with span("export"):
        model = load_retrieval(prepared, settings, folder)
        return {"parity": export_towers(model, prepared, recipe, folder / _EXPORTED)}


def open_trained(prepared: Prepared, recipe: Recipe, folder: Path) -> Source | None:
    """The sources that were trained in the run's folder, as one; None where the recipe has none."""
    around = Surroundings.of(prepared, recipe)
    return mixed(recipe, open_sources(recipe, lambda stage: folder / stage / _EXPORTED, around))


def copy_sources(recipe: Recipe, folder: Path, bundle: Path) -> None:
    """Put the run's exported sources into a bundle, each under the name of its stage."""
    for stage in sources_of(recipe):
        shutil.copytree(folder / stage / _EXPORTED, bundle / stage, copy_function=_copy)


def _copy(source: str, target: str) -> None:
    """A copy of a file; holes in mapped tables stay holes."""
    copy_with_holes(Path(source), Path(target))


def index_sources(prepared: Prepared, recipe: Recipe, bundle: Path, reporter: Reporter) -> dict[str, dict[str, Any]]:
    """Build the index of each source in a bundle that has vectors; what was chosen and measured, by stage.

    It is measured by validation requests, where any are held out: those of the test are not looked at.
    """
    around, found = Surroundings.of(prepared, recipe), {}
    held_out = hold_out(prepared, Split.VALID, recipe.funnel.exclude_seen, QUERIES, recipe.seed, recipe.split.requests)
    asked = [batch.requests for batch in questions(prepared, held_out)]
    for stage in sources_of(recipe):
        facts = add_index(bundle / stage, recipe.funnel.index, around, asked, recipe.seed)
        if facts is not None:
            found[stage] = facts
            if facts["kind"] != "exact":
                reporter.say("index", _as_text(stage, facts))
    return found


def _as_text(stage: str, facts: Mapping[str, Any]) -> str:
    measured = next(f"{name} {value:.3f} of an exact search's" for name, value in facts.items() if "@" in name)
    size = f"{facts['bytes'] / 2**20:.1f} MiB, built in {facts['build_s']:.1f} s"
    return f"{stage}: {facts['kind']} {facts['structure']} over {facts['items']:,} items, {measured}, {size}"
