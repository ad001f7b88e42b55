"""The fit loop with a scripted task: when it stops, which epoch it keeps, and what it says when numbers are none."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from shortlist.core.errors import DataError, RecipeError
from shortlist.core.progress import Silent
from shortlist.recipe.training import Schedule, Training
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.fit import fit


class Scripted:
    """Each epoch adds 1 to the only weight; validation gives the next of the scripted scores."""

    name = "scripted"
    metric: str | None = "score"

    def __init__(self, scores: Sequence[float], losses: Sequence[float] = ()) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)
        self.scores = list(scores)
        self.losses = list(losses)
        self.modes: list[bool] = []
        self.epochs: list[int] = []

    def rows_per_epoch(self) -> int:
        return 4

    def steps_per_epoch(self) -> int:
        return 2

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, float]]:
        self.epochs.append(epoch)
        loss = self.losses[epoch] if self.losses else 0.0
        yield from islice([(3, loss), (1, loss)], start, None)

    def loss(self, step: float) -> Tensor:
        self.modes.append(self.model.training)
        # A gradient of -0.5 in each of the two steps of an epoch, whatever the loss is said to be.
        descent: Tensor = (self.model.weight * -0.5).sum()
        return descent - descent.detach() + step

    def validate(self) -> dict[str, float]:
        assert not self.model.training
        assert torch.is_inference_mode_enabled()
        return {"score": self.scores[len(self.epochs) - 1], "other": 0.0}


def fitted(task: Scripted, **settings: int | Schedule) -> list[dict[str, object]]:
    sgd = torch.optim.SGD(task.model.parameters(), lr=1.0)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), {}, 60.0, Silent(), task.name)
        return fit(task, [sgd], Training.model_validate(settings), Silent(), checkpoints)


@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "ran", "best"),
    [
        ([1, 2, 3], 2, 3, 3, 3),
        ([3, 2, 1, 9], 2, 10, 3, 1),
        ([1, 3, 2, 4, 2, 2, 9], 2, 10, 6, 4),
        ([1, 0, 9], 1, 10, 2, 1),
        # An equal score is no improvement: the earlier, less fitted epoch is kept.
        ([2, 2, 2], 2, 10, 3, 1),
        ([-5, -4, -6], 5, 3, 3, 2),
    ],
)
def test_stops_after_patience_and_keeps_the_best_epoch(
    scores: list[float], patience: int, epochs: int, ran: int, best: int
) -> None:
    task = Scripted(scores)
    history = fitted(task, epochs=epochs, patience=patience)

    assert [entry["epoch"] for entry in history] == list(range(1, ran + 1))
    assert task.model.weight.item() == best
    assert history[best - 1]["valid"] == {"score": scores[best - 1], "other": 0.0}


def test_without_validation_all_epochs_are_trained_and_the_last_is_kept() -> None:
    task = Scripted([])
    task.metric = None
    history = fitted(task, epochs=5, patience=1, schedule=Schedule(decay="plateau"))

    assert task.model.weight.item() == 5
    assert [entry["valid"] for entry in history] == [{}] * 5


def test_training_mode_is_on_for_each_epoch() -> None:
    task = Scripted([1, 2, 3])
    fitted(task, epochs=3)

    assert task.modes == [True] * 6
    assert task.epochs == [0, 1, 2]


def test_the_curve_weighs_batches_by_their_rows() -> None:
    class Uneven(Scripted):
        def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, float]]:
            self.epochs.append(epoch)
            yield 3, 1.0
            yield 1, 5.0

    (entry,) = fitted(Uneven([1]), epochs=1)

    assert entry["train_loss"] == pytest.approx((3 * 1 + 5) / 4)


@pytest.mark.parametrize("scores", [[math.nan], [math.inf], [-math.inf]])
def test_a_validation_that_is_no_number_is_a_clear_error(scores: list[float]) -> None:
    with pytest.raises(DataError, match=r"scripted: .*validation score is not a number\. Lower the learning rate"):
        fitted(Scripted(scores * 5), epochs=5)


def test_a_loss_that_is_no_number_is_a_clear_error() -> None:
    task = Scripted([1.0] * 5, losses=[math.nan] * 5)

    with pytest.raises(DataError, match="Lower the learning rate"):
        fitted(task, epochs=5)
    assert task.epochs == [0]


@pytest.mark.parametrize(
    "task",
    [Scripted([1, 2, 3, 4], losses=[0.5, 0.4, math.inf, 0.3]), Scripted([1, 2, math.nan, 4])],
    ids=["loss", "validation"],
)
def test_a_model_that_diverges_later_keeps_its_best_epoch(task: Scripted) -> None:
    history = fitted(task, epochs=4, patience=4)

    assert [entry["epoch"] for entry in history] == [1, 2]
    assert task.model.weight.item() == 2


def test_a_warm_up_longer_than_the_run_names_its_stage() -> None:
    with pytest.raises(RecipeError, match=r"scripted\.schedule\.warmup: 4 steps"):
        fitted(Scripted([1, 1]), epochs=2, schedule=Schedule(warmup=4))


def test_no_rows_are_no_division_by_zero() -> None:
    class Empty(Scripted):
        def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, float]]:
            self.epochs.append(epoch)
            yield from ()

    (entry,) = fitted(Empty([1]), epochs=1)

    assert entry["train_loss"] == 0
