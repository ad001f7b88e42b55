"""The worker of `sequence` for this project: its own `fit` of `sasrec`, held between two batches when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.held import Held, HeldFit
from benchmarks.sequence_training import BATCH, Task
from benchmarks.worker import Answer, serve
from shortlist.core.progress import Silent
from shortlist.models.base import SequenceModel
from shortlist.pipeline.api import prepare
from shortlist.recipe.sections import Recipe
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.device import choose_device, set_threads
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers
from shortlist.training.precision import choose_precision
from shortlist.training.sequences import SequenceStep, SequenceTask
from shortlist.training.stages import build_retrieval

ADAM = {"name": "adamw", "lr": 1e-3}
"""AdamW without decay is Adam."""


def recipe_of(task: Task) -> Recipe:
    """What the product is told."""
    model = {"name": "sasrec", "embedding_dim": task.dim, "hidden": task.dim, "blocks": task.blocks}
    retrieval = {
        "model": {**model, "dropout": task.dropout},
        "history": task.length,
        "batch_size": BATCH,
        "buckets": True,
        "loss": "gbce",
        "gbce_t": 0.0,
        "negatives": {"source": "uniform", "count": 1, "shared": False},
        "embedding": ADAM,
        "dense": ADAM,
        "epochs": 1,
    }
    return Recipe.model_validate(
        {
            "name": "sequences",
            "data": {"interactions": str(Path(task.folder) / "log.parquet")},
            "schema": {"user_id": "user", "item_id": "item", "timestamp": "time"},
            "split": {"kind": "leave_one_out"},
            "retrieval": retrieval,
            "funnel": {"exclude_seen": False},
            "seed": task.seed,
            # Only how it trains is measured, in the peer's precision: checkpoints are written at the end of the epoch.
            "compute": {"threads": 1, "device": "cpu", "precision": "fp32", "checkpoint_seconds": 1e9},
        }
    )


def held_fit(task: Task, checkpoints: Path) -> HeldFit:
    """What `shortlist train` does, with a task that can be held; its units are sequences."""
    recipe = recipe_of(task)
    settings = recipe.retrieval
    assert settings is not None
    prepared = prepare(recipe, Path(task.folder) / "run").prepared
    set_threads(recipe.compute)
    device = choose_device(recipe.compute)
    torch.manual_seed(task.seed)
    model = build_retrieval(prepared, settings)
    assert isinstance(model, SequenceModel)
    held = Held(SequenceTask(model, prepared, recipe, settings, device), _sequences)
    optimisers = build_optimisers(model, {"embedding": settings.embedding, "dense": settings.dense})
    kept = Checkpoints(checkpoints, {}, recipe.compute.checkpoint_seconds, Silent(), held.name)
    precision = choose_precision(recipe.compute, device)
    return HeldFit(held, lambda: fit(held, optimisers, settings, Silent(), kept, precision))


def _sequences(rows: int, step: SequenceStep) -> int:
    """How many a batch has."""
    assert step.events.history is not None
    return len(step.events.history.events.length_B)


def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
    """Train."""
    return {"train": held_fit(Task.of(settings), Path(settings["checkpoints"])).train}


if __name__ == "__main__":
    serve(open_worker, ("shortlist", "torch"))
