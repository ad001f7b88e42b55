"""How every peer of `accuracy frappe` is trained: epoch by epoch, the best one by validation AUC, test scored once.

Of NumPy and the standard library alone, as it runs in every peer's environment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.click_training import auc
from benchmarks.worker import Answer, serve

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Task:
    """What a worker is to build a model for."""

    model: str
    sizes: tuple[int, ...]
    """Rows of each field's table; row 0 is for values that train lacks."""
    dim: int
    hidden: tuple[int, ...]
    dropout: float
    cross_layers: int
    batch: int
    seed: int


@dataclass(frozen=True)
class Learner:
    """A model in training; both functions get ids_nF, and labels or scores of n rows."""

    module: Any
    """The torch module, whose state is that of an epoch."""
    fit: Callable[[Array, Array], None]
    """One epoch in shuffled batches, going on from where the last one ended."""
    predict: Callable[[Array], Array]
    """A score for each row; only its order counts."""


def serve_accuracy(build: Callable[[Task], Learner], *packages: str) -> None:
    """Serve `train` of the model that `build` makes; `packages` are those whose versions are told."""

    def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
        task = Task(**{**settings["task"], **{key: tuple(settings["task"][key]) for key in ("sizes", "hidden")}})
        log = Log(Path(settings["folder"]))
        return {"train": lambda: trained(build(task), log, settings["epochs"], settings["patience"])}

    serve(open_worker, packages)


class Log:
    """The parts as arrays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def part(self, name: str) -> tuple[Array, Array]:
        """ids_nF and label_n."""
        ids_nF, label_n = (np.load(self._folder / f"{name}_{what}.npy") for what in ("ids", "label"))
        return ids_nF, label_n


def trained(learner: Learner, log: Log, epochs: int, patience: int) -> dict[str, Any]:
    """Train until `patience` epochs brought no better validation AUC; the best epoch's AUCs."""
    started = time.perf_counter()
    train, (valid_ids_nF, valid_label_n) = log.part("train"), log.part("valid")
    best, best_epoch, kept, epoch = -1.0, 0, {}, 0
    while epoch < epochs and epoch - best_epoch < patience:
        learner.fit(*train)
        epoch += 1
        score = auc(np.ravel(learner.predict(valid_ids_nF)), valid_label_n)
        if score > best:
            best, best_epoch = score, epoch
            kept = {name: value.detach().clone() for name, value in learner.module.state_dict().items()}
    seconds = time.perf_counter() - started
    learner.module.load_state_dict(kept)
    ids_nF, label_n = log.part("test")
    return {
        "valid": best,
        "test": auc(np.ravel(learner.predict(ids_nF)), label_n),
        "epochs": epoch,
        "best_epoch": best_epoch,
        "seconds": round(seconds, 1),
        "parameters": sum(value.numel() for value in learner.module.parameters()),
    }
