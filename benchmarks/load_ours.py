"""The worker of `loader` for this project: the batches that its ranking task trains on, as tensors."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.click_data import click_recipe, prepared_clicks
from benchmarks.click_loading import BATCH, Sizes, serve_loading
from shortlist.recipe.sections import Recipe
from shortlist.training.ranking import RankingTask
from shortlist.training.stages import build_ranking


def loader_recipe(folder: Path, numbers: int, fields: int) -> Recipe:
    """Of the least model that has a ranking task."""
    model = {"name": "deepfm", "embedding_dim": 1, "hidden": [1]}
    return click_recipe(folder, numbers, fields, model=model, batch_size=BATCH)


def open_source(settings: dict[str, Any]) -> Callable[[], Sizes]:
    """Each pass is an epoch of its own order."""
    torch.set_num_threads(1)
    folder = Path(settings["folder"])
    facts = json.loads((folder / "clicks.json").read_text(encoding="utf-8"))
    recipe = loader_recipe(folder, settings["numbers"], len(facts["cardinalities"]))
    assert recipe.ranking is not None
    prepared = prepared_clicks(folder, recipe)
    task = RankingTask(build_ranking(prepared, recipe.ranking), prepared, recipe, recipe.ranking, torch.device("cpu"))
    epochs = itertools.count()

    def one_pass() -> Iterator[tuple[int, int]]:
        for _, step in task.steps(next(epochs)):
            batch = step.batch
            yield len(batch.ids_BF), batch.ids_BF.shape[1] + batch.numbers_BN.shape[1]

    return one_pass


if __name__ == "__main__":
    serve_loading(open_source, "shortlist", "torch")
