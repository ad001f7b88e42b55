"""The worker of `growth` and `memory`: one stage of a recipe's run in a process that has done nothing before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import shortlist.evaluation.report
import shortlist.export.bundle  # noqa: F401  # heavy packages are loaded before anything is measured
from benchmarks.resident import Watched
from benchmarks.worker import Answer, cpu_seconds, serve
from shortlist.pipeline.run import Run
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.sections import Recipe
from shortlist.training.ranking import RankingTask
from shortlist.training.stages import build_ranking


class Stages:
    """What can be measured of one run."""

    def __init__(self, settings: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        self._recipe = Recipe.model_validate(settings["recipe"])
        self._folder = Path(settings["folder"])

    def prepare(self) -> dict[str, Any]:
        """Tables to shards."""
        return _measured(lambda: self._walk(self._recipe, "prepare"))

    def load(self) -> dict[str, Any]:
        """The batches of one epoch of ranking, without training on them."""
        prepared = Run(self._recipe, self._folder).prepared
        settings = self._recipe.ranking or Ranking()
        model = build_ranking(prepared, settings)

        def epoch() -> None:
            task = RankingTask(model, prepared, self._recipe, settings, torch.device("cpu"))
            for _ in task.steps(0):
                pass

        return _measured(epoch)

    def retrieval(self) -> dict[str, Any]:
        """The retrieval model alone."""
        alone = self._recipe.model_copy(update={"ranking": None})
        return _measured(lambda: self._walk(alone, "train"))

    def ranking(self) -> dict[str, Any]:
        """The ranker, with the retrieved candidates that are its negatives."""
        return _measured(lambda: self._walk(self._recipe, "train"))

    def export(self) -> dict[str, Any]:
        """Models to a bundle."""
        return _measured(lambda: self._walk(self._recipe, "export"))

    def evaluate(self) -> dict[str, Any]:
        """The bundle on the held-out users, and the report."""
        return _measured(lambda: self._walk(self._recipe, "evaluate"))

    def _walk(self, recipe: Recipe, upto: Any) -> None:
        Run(recipe, self._folder).walk(upto)


def _measured(work: Callable[[], None]) -> dict[str, Any]:
    before = cpu_seconds()
    with Watched() as held:
        work()
    return {"cpu_s": cpu_seconds() - before, **held.facts()}


def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
    """Every stage by its name; the ones before it must be done."""
    stages = Stages(settings)
    return {name: getattr(stages, name) for name in settings["stages"]}


if __name__ == "__main__":
    serve(open_worker)
