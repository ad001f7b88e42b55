"""The worker of `classical` for this project: fitted on the log, asked through its scorers as the funnel does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.classical_task import ALPHA, DIM, ITERATIONS, K1, L2, NEIGHBOURS, REGULARIZATION, Array, B, Contestant
from benchmarks.classical_task import serve_classical as serve
from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, FeatureTable, RaggedBag
from shortlist.funnel.columns import Requests
from shortlist.funnel.sources.folder import SCORERS
from shortlist.models.base import Fitted, Interactions
from shortlist.models.catalogue import matrix_model
from shortlist.recipe.training import Model
from shortlist.schema import Inputs

MODELS: dict[str, dict[str, Any]] = {
    "item-kNN, cosine": {"name": "item_knn", "neighbours": NEIGHBOURS},
    "item-kNN, BM25": {"name": "item_knn", "neighbours": NEIGHBOURS, "similarity": "bm25", "k1": K1, "b": B},
    "EASE": {"name": "ease", "l2": L2},
    "ALS": {
        "name": "als",
        "dim": DIM,
        "iterations": ITERATIONS,
        "regularization": REGULARIZATION,
        "alpha": ALPHA,
    },
}


def prepare(train_P2: Array) -> Interactions:
    """Users and items from row 1 on."""
    users, items = (int(number) + 2 for number in train_P2.max(0))
    order_P = np.argsort(train_P2[:, 0], kind="stable")
    counts = np.bincount(train_P2[:, 0] + 1, minlength=users)
    bag = RaggedBag(train_P2[order_P, 1] + np.int32(1), np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))
    nothing = FeatureTable(np.zeros((users, 0), np.int32), np.zeros((users, 0), np.float32))
    return Interactions(Events(bag, np.zeros(len(bag.values), np.int64)), None, nothing, Inputs(), items, 0)


def fit(choice: dict[str, Any]) -> Callable[[Interactions, int], Fitted]:
    """The model of these settings, on one thread."""
    return lambda log, seed: matrix_model(Model.model_validate(choice)).fit(log, 1, seed)


def recommend(asked: tuple[str, Fitted, Interactions], k: int) -> Array:
    """All users at once, each with the history that training has."""
    _, fitted, log = asked
    user_U = np.arange(1, len(log.events))
    history = log.events.rows(user_U)
    requests = Requests(
        user_U=user_U.astype(np.int32),
        query=FeatureRows(np.zeros((len(user_U), 0), np.int32), np.zeros((len(user_U), 0), np.float32)),
        time_U=np.zeros(len(user_U), np.int64),
        history=history,
        exclude=history.items,
    )
    scorer = SCORERS[fitted.scorer](fitted.arrays, fitted.settings, np.arange(log.items) > 0)
    item_UK: Array = scorer.best(requests, k)[0]
    return item_UK - 1


def contestant() -> Contestant:
    """Every model."""
    return Contestant(prepare, {name: fit(choice) for name, choice in MODELS.items()}, recommend)


if __name__ == "__main__":
    serve(contestant, "shortlist", "scipy", "implicit")
