"""What every contestant of `classical` is asked: to fit a model, and to recommend to all users.

Of NumPy alone, as it runs in every peer's environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.worker import cpu_seconds, serve

Array = npt.NDArray[Any]
Fit = Callable[[Any, int], Any]
"""Of what the library takes a log for, and a seed, the fitted model."""
Recommend = Callable[[Any, int], Array]
"""Of a fitted model the items (U, K) of all users, best first, none that the user had; -1 where there is none."""

DIM, ITERATIONS, REGULARIZATION, ALPHA = 64, 15, 0.01, 1.0
"""Of ALS."""
L2 = 250.0
"""Of EASE."""
NEIGHBOURS = 100
"""Of item-kNN."""
K1, B = 1.2, 0.75
"""Of BM25."""


class Contestant:
    """One log, and the fitted models of each name, one for each seed."""

    def __init__(self, prepare: Callable[[Array], Any], fit: Mapping[str, Fit], best: Recommend) -> None:
        self._prepare, self._fit, self._best = prepare, fit, best
        self._log: Any = None
        self._fitted: dict[tuple[str, int], Any] = {}

    def open(self, folder: str) -> dict[str, Any]:
        """Read a log into what the library takes."""
        train_P2 = np.load(Path(folder) / "train.npy")
        self._events, self._users = len(train_P2), int(train_P2[:, 0].max()) + 1
        self._log, self._fitted = self._prepare(train_P2), {}
        return {"models": list(self._fit)}

    def fit(self, model: str, seed: int) -> dict[str, float]:
        """Fit a model; rows are training events."""
        before = cpu_seconds()
        fitted = self._fit[model](self._log, seed)
        taken = cpu_seconds() - before
        self._fitted[model, seed] = fitted
        return {"rows": self._events, "cpu_s": taken}

    def recommend(self, model: str, seed: int, k: int, file: str) -> dict[str, float]:
        """Recommend `k` items to every user; rows are users."""
        before = cpu_seconds()
        item_UK = self._best((model, self._fitted[model, seed], self._log), k)
        taken = cpu_seconds() - before
        np.save(file, item_UK)
        return {"rows": self._users, "cpu_s": taken}


def serve_classical(contestant: Callable[[], Contestant], *packages: str) -> None:
    """Answer until standard input ends."""

    def open_worker(_: dict[str, Any]) -> dict[str, Any]:
        one = contestant()
        return {"open": one.open, "fit": one.fit, "recommend": one.recommend}

    serve(open_worker, packages)
