"""The worker of `accuracy` for this project: `train_ranking` on prepared data, and the test scored once."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.worker import Answer, serve
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, ranking_rows
from shortlist.data.prepared import Prepared
from shortlist.metrics.auc import auc
from shortlist.models.base import RankingModel
from shortlist.nn.batch import Batch
from shortlist.recipe.sections import Recipe
from shortlist.schema import Split, TargetKind
from shortlist.training.stages import load_ranking, train_ranking
from shortlist.training.weights import HISTORY

_BATCH = 8192


def trained(recipe: Recipe, prepared: Prepared) -> dict[str, Any]:
    """Train the recipe's ranker; of its best epoch by validation the AUC of each target."""
    with tempfile.TemporaryDirectory() as folder:
        weights, checkpoints = Path(folder) / "ranking", Path(folder) / "checkpoints"
        weights.mkdir()
        started = time.perf_counter()
        train_ranking(prepared, recipe, weights, checkpoints, Silent(), None)
        seconds = time.perf_counter() - started
        history = read_json(weights / HISTORY)
        model = load_ranking(prepared, recipe, weights)
    best = max(history, key=lambda entry: float(entry["valid"]["auc"]))
    tests = aucs_on_test(model, prepared, recipe)
    return {
        "valid": best["valid"]["auc"],
        "test": next(iter(tests.values())),
        "tests": tests,
        "epochs": len(history),
        "best_epoch": best["epoch"],
        "seconds": round(seconds, 1),
        "parameters": sum(value.numel() for value in model.parameters()),
    }


def aucs_on_test(model: RankingModel, prepared: Prepared, recipe: Recipe) -> dict[str, float]:
    """AUC of every target over the test rows, which tell all of them."""
    assert recipe.ranking is not None
    targets = prepared.schema.targets
    if any(target.kind != TargetKind.BINARY for target in targets):
        raise ValueError("an AUC is of binary targets")
    gather = Gather(prepared, recipe.ranking.history)
    scores, labels = [], []
    for rows in ranking_rows(EventRows(prepared, Split.TEST), gather, _BATCH, recipe.seed, 0, shuffle=False):
        with torch.inference_mode():
            scores.append(model(Batch.of(rows.features)).numpy())
        labels.append(rows.targets_BT)
    score_NT, label_NT = np.concatenate(scores), np.concatenate(labels)
    return {target.name: float(auc(score_NT[:, t], label_NT[:, t])) for t, target in enumerate(targets)}


def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
    """Train."""
    recipe = Recipe.model_validate(settings["recipe"])
    prepared = Prepared.open(settings["prepared"])
    return {"train": lambda: trained(recipe, prepared)}


if __name__ == "__main__":
    serve(open_worker, ("shortlist", "torch"))
