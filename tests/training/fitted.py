"""A small task with everything that has state: tables, dropout, momentum, a schedule, clipping, two optimisers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from shortlist.core.progress import Reporter, Silent
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.mapped import MappedTables
from shortlist.recipe.training import Training
from shortlist.schema import Column, Kind, Side
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers
from shortlist.training.precision import Precision

ROWS, BATCH, FIELDS, EPOCHS = 96, 16, 3, 3
STEPS = ROWS // BATCH
IDENTITY = {"stage": "toy", "schema": "s1", "model": "m1"}
SETTINGS = Training.model_validate(
    {
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "embedding": {"name": "rowwise_adagrad", "lr": 0.1},
        "dense": {"name": "adamw", "lr": 0.02},
        "schedule": {"warmup": 4, "decay": "plateau"},
        "clip_norm": 0.2,
    }
)


class Model(nn.Module):
    """Embeddings of a few fields, a hidden layer with dropout, a logit."""

    def __init__(self, rows: int = 50, dim: int = 8, hidden: int = 16) -> None:
        super().__init__()
        self.columns = [
            Column(name=f"context.{i}", side=Side.CONTEXT, kind=Kind.FIELD, size=rows, offset=i * rows)
            for i in range(FIELDS)
        ]
        self.table = StackedEmbedding(self.columns, dim)
        self.deep = nn.Sequential(
            nn.Linear(FIELDS * dim, hidden), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(hidden), nn.Linear(hidden, 1)
        )

    def forward(self, ids_BF: Tensor) -> Tensor:
        """logit_B."""
        logit_B1: Tensor = self.deep(self.table(ids_BF, self.columns).flatten(1))
        return logit_B1[:, 0]


class Task:
    """Learn parity of ids; each batch follows from seed, epoch and its number alone, and repeats ids."""

    name = "toy"
    metric = "score"

    def __init__(self, rows: int = 50, dim: int = 8, hidden: int = 16, batch: int = BATCH) -> None:
        torch.manual_seed(0)
        self.model = Model(rows, dim, hidden)
        self.rows, self.batch = rows, batch
        self.before: Callable[[int, int], None] = lambda epoch, batch: None
        """Called before a batch is made; may raise."""

    def rows_per_epoch(self) -> int:
        """Rows of an epoch."""
        return STEPS * self.batch

    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return STEPS

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Ids of each batch."""
        for number in range(start, STEPS):
            self.before(epoch, number)
            yield self.batch, self.ids(epoch, number)

    def ids(self, epoch: int, number: int) -> Tensor:
        """ids_BF: many small ones."""
        random = torch.Generator().manual_seed(1_000 * epoch + number)
        share_BF = torch.rand(self.batch, FIELDS, generator=random, dtype=torch.float64)
        offset_F = torch.arange(FIELDS) * self.rows
        return (share_BF**3 * self.rows).long() + offset_F

    def loss(self, ids_BF: Tensor) -> Tensor:
        """Log loss."""
        target_B = (ids_BF.sum(1) % 2).float()
        return functional.binary_cross_entropy_with_logits(self.model(ids_BF).float(), target_B)

    def validate(self) -> dict[str, float]:
        """Minus the loss on rows that are never trained on."""
        self.before(-1, 0)
        return {"score": -float(self.loss(self.ids(99, 0)))}


def run(
    task: Task,
    folder: Path,
    *,
    seconds: float = 60.0,
    precision: Precision | None = None,
    settings: Training = SETTINGS,
    reporter: Reporter | None = None,
    identity: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Fit the task, or go on with it."""
    reporter = reporter or Silent()
    tables = MappedTables.of(task.model)
    checkpoints = Checkpoints(folder, identity or IDENTITY, seconds, reporter, task.name, tables)
    optimisers = build_optimisers(task.model, {"embedding": settings.embedding, "dense": settings.dense})
    return fit(task, optimisers, settings, reporter, checkpoints, precision or Precision())


def bits(model: nn.Module) -> dict[str, bytes]:
    """The bytes of each weight."""
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
