"""What the stages of a run cost: each in a process of its own, so that no stage's memory hides another's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.contestant import Contestant
from benchmarks.harness import Options
from shortlist.recipe.sections import Recipe

Costs = dict[str, dict[str, float]]
"""Of each stage `cpu_s`, and bytes `before` it, at its `peak`, `anonymous` and `file`."""


def costs(recipe: Recipe, folder: Path, stages: tuple[str, ...], options: Options) -> Costs:
    """Do the stages in this order in `folder`."""
    given: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json", by_alias=True, exclude_none=True),
        "folder": str(folder),
        "stages": stages,
    }
    found: Costs = {}
    for stage in stages:
        log = options.folder("logs") / f"stage-{stage}.log"
        with Contestant(stage, Path(sys.executable), "benchmarks.stage_worker", given, log) as worker:
            found[stage] = worker.ask(stage)
    return found
