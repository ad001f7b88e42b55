"""Training the two stages of a recipe from prepared data: build the model, fit it, leave a checkpoint."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from shortlist.core.errors import DataError
from shortlist.core.progress import Reporter
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Ints
from shortlist.models.base import RankingModel, RetrievalModel
from shortlist.models.catalogue import ranking_model, retrieval_model
from shortlist.nn.groups import Group
from shortlist.recipe.sections import Optimiser, Ranking, Recipe, Retrieval
from shortlist.schema import Side
from shortlist.training.checkpoint import load_checkpoint, save_checkpoint
from shortlist.training.device import choose_device, set_threads
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers
from shortlist.training.ranking import RankingTask
from shortlist.training.retrieval import RetrievalTask, candidates_of_users


def build_retrieval(prepared: Prepared, settings: Retrieval) -> RetrievalModel:
    """The recipe's retrieval model for this data, untrained."""
    schema = prepared.schema
    if not (schema.has_users and schema.has_items):
        raise DataError(
            "retrieval needs users and items, and the recipe's [schema] names no user_id or no item_id. "
            "Name them, or leave [retrieval] out: a recipe with [ranking] alone ranks the rows of a log."
        )
    query = schema.inputs(Side.USER, Side.CONTEXT, history_length=settings.history)
    return retrieval_model(settings.model, query, schema.inputs(Side.ITEM))


def build_ranking(prepared: Prepared, settings: Ranking) -> RankingModel:
    """The recipe's ranking model for this data, untrained."""
    inputs = prepared.schema.inputs(Side.USER, Side.CONTEXT, Side.ITEM, history_length=settings.history)
    if not (inputs.fields or inputs.numbers or inputs.bags):
        raise DataError(
            "the ranker has nothing to learn from: the recipe names no user_id, no item_id and no feature. "
            "Name one of them in [schema], or features in [features.context]."
        )
    return ranking_model(settings.model, inputs)


def train_retrieval(prepared: Prepared, recipe: Recipe, folder: Path, reporter: Reporter) -> None:
    """Fit the retrieval model and leave its checkpoint in `folder`."""
    assert recipe.retrieval is not None
    settings = recipe.retrieval
    set_threads(recipe.compute)
    torch.manual_seed(recipe.seed)
    task = RetrievalTask(build_retrieval(prepared, settings), prepared, recipe, settings, choose_device(recipe.compute))
    optimisers = build_optimisers(task.model, {"embedding": settings.embedding, "dense": settings.dense})
    started = time.perf_counter()
    history = fit(task, optimisers, settings, reporter)
    save_checkpoint(folder, task.model, history)
    reporter.say("retrieval", _summary(settings, task.metric, history, time.perf_counter() - started))


def train_ranking(
    prepared: Prepared, recipe: Recipe, folder: Path, reporter: Reporter, retrieval_folder: Path | None
) -> None:
    """Fit the ranker and leave its checkpoint in `folder`.

    `retrieval_folder` holds the trained retrieval model whose candidates are the negatives, if there is one.
    """
    assert recipe.ranking is not None
    settings = recipe.ranking
    set_threads(recipe.compute)
    device = choose_device(recipe.compute)
    candidates_UK = None
    if settings.negatives.source == "candidates" and settings.negatives.sampled and retrieval_folder is not None:
        candidates_UK = _candidates(prepared, recipe, retrieval_folder, device)
    torch.manual_seed(recipe.seed)
    task = RankingTask(build_ranking(prepared, settings), prepared, recipe, settings, device, candidates_UK)
    groups: dict[Group, Optimiser] = {"wide": settings.wide, "embedding": settings.embedding, "dense": settings.dense}
    started = time.perf_counter()
    history = fit(task, build_optimisers(task.model, groups), settings, reporter)
    save_checkpoint(folder, task.model, history)
    reporter.say("ranking", _summary(settings, task.metric, history, time.perf_counter() - started))


def load_retrieval(prepared: Prepared, recipe: Recipe, folder: Path) -> RetrievalModel:
    """The trained retrieval model, on the CPU, ready to be asked."""
    assert recipe.retrieval is not None
    model = build_retrieval(prepared, recipe.retrieval)
    load_checkpoint(folder, model)
    model.eval()
    return model


def load_ranking(prepared: Prepared, recipe: Recipe, folder: Path) -> RankingModel:
    """The trained ranker, on the CPU, ready to be asked."""
    assert recipe.ranking is not None
    model = build_ranking(prepared, recipe.ranking)
    load_checkpoint(folder, model)
    model.eval()
    return model


def _candidates(prepared: Prepared, recipe: Recipe, folder: Path, device: torch.device) -> Ints:
    """Each user's retrieved items, the ranker's negatives."""
    assert recipe.retrieval is not None
    model = load_retrieval(prepared, recipe, folder).to(device)
    k = min(recipe.funnel.candidates, len(prepared.items) - 1)
    with torch.inference_mode():
        return candidates_of_users(model, prepared, recipe.retrieval, k, device)


def _summary(settings: Retrieval | Ranking, metric: str, history: list[dict[str, Any]], seconds: float) -> str:
    best = max(history, key=lambda entry: float(entry["valid"][metric]))
    rate = sum(entry["rows_per_s"] for entry in history) / len(history)
    stopped = f", stopped after {len(history)}" if len(history) < settings.epochs else f" of {len(history)}"
    return (
        f"{settings.model.name:<14} best epoch {best['epoch']}{stopped}   valid {metric} {best['valid'][metric]:.4f}   "
        f"{rate:,.0f} rows/s   {seconds:.1f} s"
    )
