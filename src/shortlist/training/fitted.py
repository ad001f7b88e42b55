"""Fitting a model without epochs: from the training log to arrays, measured on validation users.

Legend: U held-out users, K candidates.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from shortlist.core.errors import DataError
from shortlist.core.profile import span
from shortlist.core.progress import Reporter
from shortlist.core.threads import cpu_threads
from shortlist.data.prepared import Prepared
from shortlist.features.past import Events
from shortlist.features.rows import Ints, RaggedBag
from shortlist.funnel.columns import Source
from shortlist.funnel.moments import requests_of
from shortlist.funnel.sources.folder import Surroundings, open_source, write_fitted
from shortlist.models.base import Interactions, MatrixModel
from shortlist.recipe.sections import Recipe
from shortlist.schema import Side, Split
from shortlist.training.validation_lists import ValidationLists

BATCH = 512
"""Validation users asked for at once."""


def fit_matrix(
    model: MatrixModel, name: str, prepared: Prepared, recipe: Recipe, folder: Path, reporter: Reporter
) -> dict[str, float]:
    """Fit the model `name` on the training events and leave its source in `folder`; returns its validation metric.

    Nothing where the recipe holds nobody out for validation.
    """
    started = time.perf_counter()
    threads = cpu_threads(recipe.compute.threads)
    log, validation = interactions(prepared), ValidationLists(prepared, recipe)
    with span("fit"):
        fitted = model.fit(log, threads, recipe.seed)
    folder.mkdir(parents=True)
    write_fitted(folder, fitted.scorer, fitted.arrays, fitted.settings, log.items)
    source = open_source(folder, name, Surroundings.of(prepared, recipe))
    with span("validate"):
        found = validation.of(_lists(source, prepared, validation)) if validation.metric else {}
    events, seconds = len(log.events.times), time.perf_counter() - started
    valid = "".join(f"   valid {metric} {value:.4f}" for metric, value in found.items())
    reporter.say("retrieval", f"{name:<14} {events:,} events{valid}   {seconds:.1f} s")
    return found


def interactions(prepared: Prepared) -> Interactions:
    """The relevant training events of every user; DataError where there are none."""
    schema = prepared.schema
    weighted = any(shard.weight is not None for shard in prepared.shards)
    names = ["item", "time", *(["event"] if prepared.has_types else []), *(["weight"] if weighted else [])]
    offsets_n, columns = prepared.columns_of_users(names, Split.TRAIN, relevant_only=True)
    if not len(columns["item"]):
        raise DataError(
            "there is no relevant training event to learn from: look at the first of [schema] targets, which says what "
            "is relevant, and at [split]"
        )
    events = Events(RaggedBag(columns["item"], offsets_n), columns["time"], columns.get("event"))
    return Interactions(
        events=events,
        weights=columns.get("weight"),
        users=prepared.users,
        user_inputs=schema.inputs(Side.USER),
        items=len(prepared.items),
        now=int(np.max(columns["time"])),
    )


def _lists(source: Source, prepared: Prepared, validation: ValidationLists) -> Ints:
    """item_UK for the held-out users."""
    asked = requests_of(prepared, validation.held_out, BATCH)
    return np.concatenate([source(requests, validation.cutoff).item_UK for _, requests in asked])
