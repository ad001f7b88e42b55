"""Training the two stages of a recipe from prepared data: build the model, fit it, leave its weights."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from shortlist.core.errors import DataError, EnvironmentFault, UserError
from shortlist.core.files import fingerprint
from shortlist.core.profile import span
from shortlist.core.progress import Reporter
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Ints
from shortlist.models.base import RankingModel, RetrievalModel, SequenceModel
from shortlist.models.catalogue import matrix_model, ranking_model, retrieval_model
from shortlist.nn.groups import Group
from shortlist.nn.mapped import MappedTables, tables_mapped_in
from shortlist.nn.ranks import connected, rank, world
from shortlist.nn.sharded import tables_sharded
from shortlist.recipe.ranking import AFTER_TRAINING, Ranking
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.sections import Recipe
from shortlist.recipe.training import Optimiser
from shortlist.schema import Side, Target
from shortlist.schema.columns import ROW_SIDES
from shortlist.training.checkpoint import Checkpoints, Tables
from shortlist.training.compiled import compile_layers
from shortlist.training.device import choose_device, set_threads
from shortlist.training.fit import Task, fit
from shortlist.training.fitted import fit_matrix
from shortlist.training.optimisers import build_optimisers
from shortlist.training.precision import Precision, choose_precision
from shortlist.training.ranking import RankingTask
from shortlist.training.ranking_data import check_history, check_turns
from shortlist.training.retrieval import RetrievalTask
from shortlist.training.sequences import SequenceTask
from shortlist.training.sharding.files import ShardedTables
from shortlist.training.sharding.package import torchrec
from shortlist.training.weights import TABLES, load_weights, save_weights, unshared, with_tables_of

Groups = dict[Group, Optimiser]


def build_retrieval(prepared: Prepared, settings: Retrieval) -> RetrievalModel:
    """The recipe's retrieval model for this data, untrained."""
    _check_sides(prepared)
    query = prepared.schema.inputs(Side.USER, Side.CONTEXT, Side.PAST, history_length=settings.history)
    if not (query.fields or query.numbers or query.bags or query.history):
        raise DataError(
            "nothing would tell one request from another: of sessions only their events are known, of which retrieval "
            f"reads {settings.history}. Let history be above 0, or choose a model that is fitted in one go, such as "
            "item_knn: shortlist doctor --models"
        )
    model = retrieval_model(settings.model, query, prepared.schema.inputs(Side.ITEM))
    if isinstance(model, SequenceModel):
        model.know(prepared.items)
    return model


def build_ranking(prepared: Prepared, settings: Ranking, only: Target | None = None) -> RankingModel:
    """The recipe's ranking model for this data, untrained; of all targets, or of one alone."""
    inputs = prepared.schema.inputs(*ROW_SIDES, Side.PAST, history_length=settings.history)
    if only is not None:
        inputs = replace(inputs, targets=(only,))
    if not (inputs.fields or inputs.numbers or inputs.bags):
        raise DataError(
            "the ranker has nothing to learn from: the recipe names no user_id, no item_id and no feature. "
            "Name one of them in [schema], or features in [features.context]."
        )
    model = ranking_model(settings.model, inputs)
    check_history(model, prepared)
    return model


def train_retrieval(
    prepared: Prepared, recipe: Recipe, settings: Retrieval, folder: Path, checkpoints: Path, reporter: Reporter
) -> None:
    """Fit a retrieval model of the recipe and leave its weights in `folder`.

    `settings` are those of [retrieval] or of one of [sources]. What was begun before, and left checkpoints in the
    folder `checkpoints`, is gone on with.
    """
    set_threads(recipe.compute)
    device = choose_device(recipe.compute)
    torch.manual_seed(recipe.seed)
    with _tables(recipe, device, checkpoints):
        model = build_retrieval(prepared, settings)
    task: Task[Any] = (
        SequenceTask(model, prepared, recipe, settings, device)
        if isinstance(model, SequenceModel)
        else RetrievalTask(model, prepared, recipe, settings, device)
    )
    groups: Groups = {"embedding": settings.embedding, "dense": settings.dense}
    _fit(_Stage(task, device, groups, settings, recipe, prepared, reporter), folder, checkpoints)


def fit_retrieval(
    prepared: Prepared, recipe: Recipe, settings: Retrieval, folder: Path, reporter: Reporter
) -> dict[str, float]:
    """Fit a model that needs no epochs and leave its source in `folder`; returns its validation metric."""
    _check_sides(prepared)
    choice = settings.model
    return fit_matrix(matrix_model(choice), choice.name, prepared, recipe, folder, reporter)


def train_ranking(
    prepared: Prepared,
    recipe: Recipe,
    folder: Path,
    checkpoints: Path,
    reporter: Reporter,
    candidates_UK: Ints | None,
    *,
    only: Target | None = None,
) -> None:
    """Fit the ranker and leave its weights in `folder`; the same with its checkpoints.

    `candidates_UK`: what the funnel's sources propose to each row of the user table, where the negatives come from
    there. `only`: the one target that it is to learn of all, from the same rows.
    """
    assert recipe.ranking is not None
    settings = recipe.ranking
    set_threads(recipe.compute)
    device = choose_device(recipe.compute)
    torch.manual_seed(recipe.seed)
    with _tables(recipe, device, checkpoints):
        model = build_ranking(prepared, settings, only)
    check_turns(model, prepared, reporter)
    task = RankingTask(model, prepared, recipe, settings, device, candidates_UK)
    groups: Groups = {"wide": settings.wide, "embedding": settings.embedding, "dense": settings.dense}
    _fit(_Stage(task, device, groups, settings, recipe, prepared, reporter), folder, checkpoints)


def load_retrieval(prepared: Prepared, settings: Retrieval, folder: Path) -> RetrievalModel:
    """The trained retrieval model, on the CPU, ready to be asked."""
    with with_tables_of(folder):
        model = build_retrieval(prepared, settings)
    load_weights(folder, model)
    model.eval()
    return model


def load_ranking(prepared: Prepared, recipe: Recipe, folder: Path, only: Target | None = None) -> RankingModel:
    """The trained ranker of all targets, or of one alone, on the CPU, ready to be asked."""
    assert recipe.ranking is not None
    with with_tables_of(folder):
        model = build_ranking(prepared, recipe.ranking, only)
    load_weights(folder, model)
    model.eval()
    return model


@dataclass(frozen=True)
class _Stage:
    """What is fitted with which settings."""

    task: Task[Any]
    device: torch.device
    groups: Groups
    settings: Retrieval | Ranking
    recipe: Recipe
    prepared: Prepared
    reporter: Reporter

    def identity(self, precision: Precision) -> dict[str, str]:
        """What a checkpoint must be of to go on from it."""
        weights = [[name, *value.shape] for name, value in unshared(self.task.model).items()]
        settings = self.settings.model_dump(mode="json", exclude=set(AFTER_TRAINING))
        recipe = [settings, self.recipe.seed, self.recipe.funnel.exclude_seen]
        compute = self.recipe.compute
        # The parts of a row learn by themselves, and there are as many as processes.
        by_columns = compute.sharding == "column_wise"
        return {
            "stage": self.task.name,
            "schema": fingerprint(self.prepared.schema.to_json()),
            "model": f"{self.settings.model.name}-{fingerprint(weights)}",
            "precision": precision.name,
            "recipe": fingerprint(recipe),
            "sharding": f"column_wise, {world()} processes" if by_columns else "whole rows",
        }


def _fit(stage: _Stage, folder: Path, place: Path) -> None:
    """Fit the stage's model, leave its weights and learning curve in `folder`, and say how it went.

    Of several processes that train it together the first one leaves them, and says so.
    """
    task, reporter = stage.task, stage.reporter
    started = time.perf_counter()
    with connected() if stage.recipe.compute.embeddings == "torchrec" else contextlib.nullcontext():
        history, tables = _fitted(stage, place)
    if rank() > 0:
        return
    with span("checkpoint"):
        save_weights(folder, task.model, history, tables)
    reporter.say(task.name, _summary(stage.settings, task.metric, history, time.perf_counter() - started))


def _fitted(stage: _Stage, place: Path) -> tuple[list[dict[str, Any]], Tables]:
    """The learning curve of the stage's model, which it leaves fitted, and those of its tables that lie elsewhere."""
    task, compute, reporter = stage.task, stage.recipe.compute, stage.reporter
    precision = choose_precision(compute, stage.device)
    optimisers = build_optimisers(task.model, stage.groups)
    identity, tables = stage.identity(precision), _tables_of(stage, place, precision)
    checkpoints = Checkpoints(place, identity, compute.checkpoint_seconds, reporter, task.name, tables)
    if compute.compile:
        compile_layers(task.model, stage.device)
    return fit(task, optimisers, stage.settings, reporter, checkpoints, precision), tables


def _tables_of(stage: _Stage, place: Path, precision: Precision) -> Tables:
    """The tables of the stage's model that are not in memory, or not all here."""
    model, settings = stage.task.model, stage.settings
    if stage.recipe.compute.embeddings != "torchrec":
        return MappedTables.of(model)
    asked = 'compute.embeddings = "torchrec"'
    if settings.clip_norm is not None:
        raise UserError(
            f"{asked} updates tables where their rows lie, and no process knows the norm of all gradients: expected no "
            f"{stage.task.name}.clip_norm, found {settings.clip_norm:g}. Leave it out, or set "
            'compute.embeddings = "memory".'
        )
    if precision.name == "fp16":
        raise UserError(
            f"{asked} updates tables before a step that overflowed in fp16 could be left out. Set compute.precision = "
            '"bf16" or "fp32".'
        )
    tables = ShardedTables.of(model, place / TABLES)
    if tables is None:
        raise UserError(
            f"{asked} parts the tables of embeddings, and {settings.model.name} has none of these columns: its weights "
            'of single values stay with every process. Set compute.embeddings = "memory", or choose another model.'
        )
    return tables


def _tables(recipe: Recipe, device: torch.device, checkpoints: Path) -> AbstractContextManager[None]:
    """Where the tables of a model are that is built in this block."""
    if recipe.compute.embeddings == "memory":
        return contextlib.nullcontext()
    if recipe.compute.embeddings == "torchrec":
        torchrec("torchrec")
        return tables_sharded(recipe.compute.sharding or "row_wise")
    if device.type != "cpu":
        raise EnvironmentFault(
            f'compute.embeddings = "mapped" keeps tables in files, and a {device.type} device does not reach them. '
            'Set compute.device = "cpu", or compute.embeddings = "memory".'
        )
    if world() > 1:
        raise UserError(
            f'compute.embeddings = "mapped" keeps tables in files of one process, and {world()} train together: each '
            'would change them unseen by the others. Set compute.processes = 1, or compute.embeddings = "memory".'
        )
    return tables_mapped_in(checkpoints / TABLES)


def _check_sides(prepared: Prepared) -> None:
    if not (prepared.schema.has_users and prepared.schema.has_items):
        raise DataError(
            "retrieval needs users and items, and the recipe's [schema] names no user_id or no item_id. "
            "Name them, or leave [retrieval] out: a recipe with [ranking] alone ranks the rows of a log."
        )


def _summary(settings: Retrieval | Ranking, metric: str | None, history: list[dict[str, Any]], seconds: float) -> str:
    if metric is None:
        return f"{settings.model.name:<14} {len(history)} epochs, without validation   {seconds:.1f} s"
    best = max(history, key=lambda entry: float(entry["valid"][metric]))
    rate = sum(entry["rows_per_s"] for entry in history) / len(history)
    stopped = f", stopped after {len(history)}" if len(history) < settings.epochs else f" of {len(history)}"
    return (
        f"{settings.model.name:<14} best epoch {best['epoch']}{stopped}   valid {metric} {best['valid'][metric]:.4f}   "
        f"{rate:,.0f} rows/s   {seconds:.1f} s"
    )
