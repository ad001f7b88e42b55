"""The worker of `memory` for a table larger than memory: the product's own fit on a mapped table.

Legend: B rows, F fields.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.resident import Watched
from benchmarks.timed_task import TimedTask
from benchmarks.worker import Answer, cpu_seconds, serve
from shortlist.core.progress import Silent
from shortlist.data.prefetch import prefetch
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.mapped import MappedTables, tables_mapped_in
from shortlist.recipe.sections import Compute
from shortlist.recipe.training import Optimiser, Training
from shortlist.schema import Column, Kind, Side
from shortlist.schema.columns import stacked
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.device import batches_ahead
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers

FIELDS = 8
ZIPF = 1.05
"""Exponent of the frequencies."""


class Sum(nn.Module):
    """A logit of the sum of a row's vectors: next to nothing but look-ups."""

    def __init__(self, columns: tuple[Column, ...], dim: int) -> None:
        super().__init__()
        self.columns = columns
        self.embedding = StackedEmbedding(columns, dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, ids_BF: Tensor) -> Tensor:
        """logit_B."""
        logit_B1: Tensor = self.out(self.embedding(ids_BF, self.columns).sum(1))
        return logit_B1[:, 0]


def batches(columns: tuple[Column, ...], law: str, batch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """ids_BF by the law, and labels that nothing can be learnt from; made in the background."""
    random = np.random.default_rng(seed)
    while True:
        ids_BF = np.empty((batch, len(columns)), np.int32)
        for place, column in enumerate(columns):
            ids_BF[:, place] = column.offset + draw(law, column.size, batch, random)
        yield torch.from_numpy(ids_BF), torch.from_numpy(random.integers(0, 2, batch).astype(np.float32))


def draw(law: str, size: int, count: int, random: np.random.Generator) -> Any:
    """`count` numbers below `size`: uniform, or by Zipf's law with the most frequent first, as vocabularies are."""
    if law == "uniform":
        return random.integers(0, size, count)
    # The inverse of the law's continuous form.
    power = 1 - ZIPF
    rank = (random.random(count) * ((size + 1) ** power - 1) + 1) ** (1 / power)
    return np.minimum(rank.astype(np.int64), size) - 1


def columns_of(rows: int) -> tuple[Column, ...]:
    """Fields that share the table's rows."""
    size = rows // FIELDS
    return stacked(Column(name=f"context.c{i}", side=Side.CONTEXT, kind=Kind.FIELD, size=size) for i in range(FIELDS))


def train(folder: Path, *, rows: int, dim: int, batch: int, law: str, seconds: float, seed: int) -> dict[str, Any]:
    """Train on a new table in `folder` for so many seconds; what came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    before = cpu_seconds()
    try:
        with Watched() as held:
            with tables_mapped_in(folder / "tables"):
                model = Sum(columns_of(rows), dim)

            def loss(step: tuple[Tensor, Tensor]) -> Tensor:
                return functional.binary_cross_entropy_with_logits(model(step[0]), step[1])

            made = prefetch(batches(model.columns, law, batch, seed), batches_ahead(Compute(), torch.device("cpu")))
            task = TimedTask(model, lambda: made, loss, batch, seconds)
            checkpoints = Checkpoints(
                folder, {}, Compute().checkpoint_seconds, Silent(), task.name, MappedTables.of(model)
            )
            optimisers = build_optimisers(model, {"embedding": Optimiser(name="rowwise_adagrad"), "dense": Optimiser()})
            fit(task, optimisers, Training(epochs=1), Silent(), checkpoints)
        return {
            **task.facts(),
            "cpu_s": cpu_seconds() - before,
            "table_bytes": _sizes(folder, "weight.f32")[0],
            "bytes_on_disk": _sizes(folder, "*")[1],
            **held.facts(),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sizes(folder: Path, name: str) -> tuple[int, int]:
    """Bytes of the files of that name, and what they take of the disk: sparse files take less."""
    stats = [path.stat() for path in folder.rglob(name) if path.is_file()]
    return sum(stat.st_size for stat in stats), sum(stat.st_blocks * 512 for stat in stats)


def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
    """Train by one law."""
    torch.set_num_threads(1)
    sizes = {name: settings[name] for name in ("rows", "dim", "batch", "seconds", "seed")}
    return {"train": lambda law: train(Path(settings["folder"]), law=law, **sizes)}


if __name__ == "__main__":
    serve(open_worker, ("torch",))
