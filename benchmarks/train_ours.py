"""The worker of `train` for this project: its own `fit` on a prepared folder, held between two batches when asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.click_data import click_recipe, prepared_clicks, with_all_values
from benchmarks.held import Held, HeldFit
from benchmarks.worker import Answer, serve
from shortlist.core.progress import Silent
from shortlist.data.prepared import Prepared
from shortlist.recipe.sections import Recipe
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.device import choose_device, set_threads
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers
from shortlist.training.precision import choose_precision
from shortlist.training.ranking import RankingTask
from shortlist.training.stages import build_ranking

_EVERYWHERE = {name: {"name": name, "lr": lr} for name, lr in {"adamw": 1e-3, "adagrad": 1e-2}.items()}
OPTIMISERS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "adam": {"embedding": _EVERYWHERE["adamw"], "dense": _EVERYWHERE["adamw"]},
    "adagrad": {"embedding": _EVERYWHERE["adagrad"], "dense": _EVERYWHERE["adagrad"]},
}
"""Settings of [ranking]. AdamW without decay is Adam. Adagrad at torch's own default rate."""


class Trainer(HeldFit):
    """The fit of a click log's ranker."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        folder = Path(settings["folder"])
        facts = json.loads((folder / "clicks.json").read_text(encoding="utf-8"))
        sizes = tuple(facts["cardinalities"])
        recipe = click_recipe(folder, settings["numbers"], len(sizes), **ranking_of(settings))
        prepared = with_all_values(prepared_clicks(folder, recipe), sizes)
        torch.manual_seed(settings["seed"])
        super().__init__(*_fit_of(prepared, recipe, Path(settings["checkpoints"])))

    def score(self) -> dict[str, Any]:
        """End the epoch; its validation AUC."""
        return {"auc": self.end()[-1]["valid"]["auc"]}


def ranking_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The section [ranking] of a worker's settings."""
    model = {"name": "deepfm", "embedding_dim": settings["dim"], "hidden": settings["hidden"]}
    return {"model": model, "batch_size": 4096, "epochs": 1, **OPTIMISERS[settings["optimiser"]]}


def _fit_of(prepared: Prepared, recipe: Recipe, checkpoints: Path) -> tuple[Held, Any]:
    """What `shortlist train` does, with a task that can be held."""
    settings = recipe.ranking
    assert settings is not None
    set_threads(recipe.compute)
    device = choose_device(recipe.compute)
    task = Held(RankingTask(build_ranking(prepared, settings), prepared, recipe, settings, device))
    choices = {"wide": settings.wide, "embedding": settings.embedding, "dense": settings.dense}
    optimisers = build_optimisers(task.model, choices)  # type: ignore[arg-type]
    precision = choose_precision(recipe.compute, device)
    kept = Checkpoints(checkpoints, {}, recipe.compute.checkpoint_seconds, Silent(), task.name)
    return task, lambda: fit(task, optimisers, settings, Silent(), kept, precision)


def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
    """Train and score."""
    trainer = Trainer(settings)
    return {"train": trainer.train, "score": trainer.score}


if __name__ == "__main__":
    serve(open_worker, ("shortlist", "torch"))
