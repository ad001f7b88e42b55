"""What every worker of `train` does alike: take the next batches of the click log, count CPU seconds, score.

Of NumPy and the standard library alone, as it runs in every peer's environment.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.worker import Answer, cpu_seconds, serve

Array = npt.NDArray[Any]
BATCH = 4096


@dataclass(frozen=True)
class Learner:
    """A model in training; both get numbers_nN, ids_nF and labels or scores of n rows."""

    fit: Callable[[Array, Array, Array], None]
    """One pass over the rows in shuffled batches of `BATCH`, going on from where the last one ended."""
    predict: Callable[[Array, Array], Array]
    """A score for each row; only its order counts."""


@dataclass(frozen=True)
class Task:
    """What a worker is to build a model for."""

    cardinalities: tuple[int, ...]
    numbers: int
    optimiser: str
    """`default`, or the name of the one to train with instead."""
    dim: int
    hidden: tuple[int, ...]
    seed: int


class Log:
    """The log's parts as arrays in memory."""

    def __init__(self, folder: str) -> None:
        self.facts = json.loads((Path(folder) / "clicks.json").read_text(encoding="utf-8"))
        self._folder = Path(folder)

    def part(self, name: str) -> tuple[Array, Array, Array]:
        """numbers_nN, ids_nF and label_n."""
        numbers_nN, ids_nF, label_n = (
            np.load(self._folder / f"{name}_{what}.npy") for what in ("numbers", "ids", "label")
        )
        return numbers_nN, ids_nF, label_n


def serve_training(build: Callable[[Task], Learner], *packages: str) -> None:
    """Serve `train` and `score` of the model that `build` makes; `packages` are those whose versions are told."""

    def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
        log = Log(settings["folder"])
        task = Task(
            cardinalities=tuple(log.facts["cardinalities"]),
            numbers=log.part("valid")[0].shape[1],
            optimiser=settings["optimiser"],
            dim=settings["dim"],
            hidden=tuple(settings["hidden"]),
            seed=settings["seed"],
        )
        learner = build(task)
        train_rows = log.part("train")
        done = 0

        def train(batches: int) -> dict[str, Any]:
            nonlocal done
            taken = slice(done, done + batches * BATCH)
            numbers_nN, ids_nF, label_n = (array[taken].copy() for array in train_rows)
            done += len(label_n)
            before = cpu_seconds()
            learner.fit(numbers_nN, ids_nF, label_n)
            return {"cpu_s": cpu_seconds() - before, "rows": len(label_n)}

        def score() -> dict[str, Any]:
            numbers_nN, ids_nF, label_n = log.part("valid")
            score_n = np.ravel(learner.predict(numbers_nN, ids_nF))
            return {"auc": auc(score_n, label_n) if np.isfinite(score_n).all() else None}

        return {"train": train, "score": score}

    serve(open_worker, packages)


def auc(score_n: Array, label_n: Array) -> float:
    """Area under the ROC curve, ties counted half."""
    _, inverse, count = np.unique(score_n, return_inverse=True, return_counts=True)
    rank_n = (np.cumsum(count) - (count - 1) / 2)[inverse]
    positive_n = label_n > 0
    positives = int(positive_n.sum())
    above = rank_n[positive_n].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(label_n) - positives)))
