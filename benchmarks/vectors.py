"""Item vectors, queries and what each query's user has seen; and what every worker of `index` does alike.

Of NumPy and the standard library alone, as it runs in every peer's environment.

Legend: I item rows, of which row 0 is none; U queries, K nearest, D dim, P pairs of a query and a seen item.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.worker import Answer, cpu_seconds, serve

Array = npt.NDArray[Any]
DIM = 64
SEEN = 20
"""Items that each query must not find; three of them are what it is nearest to."""


@dataclass(frozen=True)
class Questions:
    """U queries and the items that each has seen."""

    query_UD: Array
    seen_US: Array
    """Sorted within each row."""

    def __len__(self) -> int:
        return len(self.query_UD)

    def rows(self, start: int, stop: int) -> Questions:
        """Some of them."""
        return Questions(self.query_UD[start:stop], self.seen_US[start:stop])


Search = Callable[[Questions, int], tuple[Array, Array]]
"""item_UK and score_UK, best first, without seen items."""


def write_vectors(folder: Path, items: int, queries: int, seed: int) -> None:
    """Unit vectors of `items` items behind an empty row 0, and the questions."""
    random = np.random.default_rng([seed, items])
    vectors_ID = random.standard_normal((items + 1, DIM), np.float32)
    vectors_ID[0] = 0
    vectors_ID[1:] /= np.linalg.norm(vectors_ID[1:], axis=1, keepdims=True)
    seen_US = np.sort(random.integers(1, items + 1, (queries, SEEN)), axis=1).astype(np.int32)
    query_UD = vectors_ID[seen_US[:, :3]].sum(axis=1) + 0.2 * random.standard_normal((queries, DIM), np.float32)
    query_UD /= np.linalg.norm(query_UD, axis=1, keepdims=True)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", vectors_ID)
    np.save(folder / "queries.npy", query_UD)
    np.save(folder / "seen.npy", seen_US)


def without_seen(item_UM: Array, score_UM: Array, seen_US: Array, k: int) -> tuple[Array, Array]:
    """The first `k` of longer answers that are not among the seen items, in their order."""
    keys = int(max(item_UM.max(initial=0), seen_US.max(initial=0))) + 1
    place_U1 = np.arange(len(item_UM))[:, None] * keys
    hit_UM = np.isin(item_UM + place_U1, seen_US + place_U1)
    first_UK = np.argsort(hit_UM, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(item_UM, first_UK, axis=1), np.take_along_axis(score_UM, first_UK, axis=1)


class Searcher:
    """What a worker does with one index: many questions at once, one after the other, and the answers to look at."""

    def __init__(self, build: Callable[[Array], Search]) -> None:
        self._build = build
        self._search: Search | None = None
        self._questions = Questions(np.zeros((0, DIM), np.float32), np.zeros((0, SEEN), np.int32))

    def open(self, folder: str) -> dict[str, Any]:
        """Build the index of a folder's vectors, in place of the one before."""
        self._search = None
        gc.collect()
        source = Path(folder)
        self._questions = Questions(np.load(source / "queries.npy"), np.load(source / "seen.npy"))
        self._search = self._build(np.load(source / "vectors.npy"))
        return {}

    def batch(self, k: int) -> dict[str, Any]:
        """All questions at once."""
        before = cpu_seconds()
        self._ask(self._questions, k)
        return {"rows": len(self._questions), "cpu_s": cpu_seconds() - before}

    def single(self, k: int, count: int) -> dict[str, Any]:
        """`count` questions one by one, each with its milliseconds by the clock on the wall."""
        before, milliseconds = cpu_seconds(), []
        for place in range(count):
            started = time.perf_counter()
            self._ask(self._questions.rows(place % len(self._questions), place % len(self._questions) + 1), k)
            milliseconds.append((time.perf_counter() - started) * 1e3)
        return {"rows": count, "cpu_s": cpu_seconds() - before, "ms": milliseconds}

    def answers(self, k: int, count: int, file: str) -> dict[str, Any]:
        """Leave the answers to the first `count` questions in an npz file."""
        item_UK, score_UK = self._ask(self._questions.rows(0, count), k)
        np.savez(file, items=item_UK, scores=score_UK)
        return {}

    def _ask(self, questions: Questions, k: int) -> tuple[Array, Array]:
        assert self._search is not None
        return self._search(questions, k)


def serve_search(open_build: Callable[[dict[str, Any]], Callable[[Array], Search]], *packages: str) -> None:
    """Serve a `Searcher` whose index is built by what `open_build` makes of the worker's settings."""

    def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
        searcher = Searcher(open_build(settings))
        return {
            "open": searcher.open,
            "batch": searcher.batch,
            "single": searcher.single,
            "answers": searcher.answers,
        }

    serve(open_worker, ("numpy", *packages))
