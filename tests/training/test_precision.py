"""Lower precision keeps what a model says; a loss scale that overflows leaves no trace; what cannot be is refused."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shortlist.core.errors import EnvironmentFault
from shortlist.core.progress import Silent
from shortlist.losses.cross_entropy import cross_entropy
from shortlist.losses.focal import focal
from shortlist.losses.list_bpr import list_bpr
from shortlist.losses.list_softmax import list_softmax
from shortlist.losses.log_loss import log_loss
from shortlist.losses.squared_error import squared_error
from shortlist.metrics.auc import auc
from shortlist.models.base import RankingModel
from shortlist.models.catalogue import ranking_model
from shortlist.nn.batch import Batch, Labels
from shortlist.nn.groups import Group
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.sections import Compute
from shortlist.recipe.training import Model, Optimiser
from shortlist.schema import Side
from shortlist.testing.inputs import random_rows, toy_schema
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers
from shortlist.training.precision import Name, Precision, choose_precision
from tests.training.fitted import Task, bits, run

CPU = torch.device("cpu")
REFERENCE = 0.0002
"""Mean absolute difference of probabilities between precisions."""
MODELS = ["wide_deep", "deepfm"]
VALID = 99
LOWER: list[Name] = ["bf16", "fp16"]


class Clicks:
    """Rows of the toy schema whose clicks follow from user, item and a number."""

    name = "clicks"
    metric = "auc"

    def __init__(self, model: str) -> None:
        torch.manual_seed(0)
        self.inputs = toy_schema(("clicked",)).inputs(*Side, history_length=4)
        choice = Model.model_validate({"name": model, "hidden": [256, 128]})
        self.model: RankingModel = ranking_model(choice, self.inputs)

    def rows_per_epoch(self) -> int:
        return 256 * self.steps_per_epoch()

    def steps_per_epoch(self) -> int:
        return 25

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, tuple[Batch, Labels]]]:
        for number in range(start, self.steps_per_epoch()):
            yield 256, self.rows(number, 256)

    def rows(self, seed: int, count: int) -> tuple[Batch, Labels]:
        rows = random_rows(self.inputs, count, seed=seed)
        random = np.random.default_rng(seed)
        taste_BF = np.sin(rows.ids_BF[:, :2] * np.float32(1.7)).astype(np.float32)
        logit_B = 2 * taste_BF[:, 0] + 2 * taste_BF[:, 0] * taste_BF[:, 1] + rows.numbers_BN[:, 0] - 1
        clicked_B = random.random(count) < 1 / (1 + np.exp(-logit_B))
        return Batch.of(rows), Labels(torch.from_numpy(clicked_B).float()[:, None], torch.ones(count))

    def loss(self, step: tuple[Batch, Labels]) -> Tensor:
        batch, labels = step
        return log_loss(self.model(batch)[:, 0], labels.targets_BT[:, 0], labels.weight_B)

    def validate(self) -> dict[str, float]:
        _, labels = self.rows(VALID, 4096)
        return {"auc": float(auc(self.probabilities(), labels.targets_BT[:, 0].numpy()))}

    def probabilities(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        batch, _ = self.rows(VALID, 4096)
        with torch.inference_mode():
            found: np.ndarray[Any, np.dtype[np.float32]] = self.model(batch)[:, 0].sigmoid().numpy()
        return found


@cache
def trained(model: str, name: Name, folder: Path) -> tuple[Clicks, float]:
    """The task after two epochs in a precision, and its last AUC."""
    task = Clicks(model)
    settings = Ranking(epochs=2)
    groups: dict[Group, Optimiser] = {
        "wide": settings.wide,
        "embedding": settings.embedding,
        "dense": settings.dense,
    }
    checkpoints = Checkpoints(folder / model / name, {}, 60.0, Silent(), task.name)
    history = fit(task, build_optimisers(task.model, groups), settings, Silent(), checkpoints, Precision(name))
    return task, float(history[-1]["valid"]["auc"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("precision")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", LOWER)
def test_a_model_says_the_same_in_lower_precision(model: str, name: Name, folder: Path) -> None:
    task, found = trained(model, "fp32", folder)
    assert found > 0.8
    exact = task.probabilities()
    # Precision is lowered while a model trains; these have no dropout, so nothing else differs.
    task.model.train()
    with Precision(name).applied(task.model):
        lower = task.probabilities()
    task.model.eval()

    assert 0 < np.abs(lower - exact).mean() <= REFERENCE


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["bf16", pytest.param("fp16", marks=pytest.mark.slow)])
def test_a_model_trained_in_lower_precision_is_as_good(model: str, name: Name, folder: Path) -> None:
    _, exact = trained(model, "fp32", folder)
    _, lower = trained(model, name, folder)

    assert lower == pytest.approx(exact, abs=0.002)


@pytest.mark.parametrize("name", LOWER)
def test_validation_and_what_is_left_behind_are_float32(name: Name) -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1)))
    model.eval()
    x = torch.randn(32, 4)
    exact = model(x)
    with Precision(name).applied(model):
        assert torch.equal(model(x), exact)
        model.train()
        assert model(x).dtype == torch.float32
        assert not torch.equal(model(x), exact)

    assert torch.equal(model(x), exact)
    assert [module for module in model.modules() if "forward" in vars(module)] == []


def test_losses_are_computed_in_float32() -> None:
    vectors_BD = nn.functional.normalize(torch.randn(64, 16), dim=1)
    ones_B = torch.ones(64)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = vectors_BD.bfloat16()
        for loss in (log_loss, focal, squared_error):
            assert loss(rounded[:, 0], ones_B, ones_B) == loss(rounded[:, 0].float(), ones_B, ones_B)
        assert cross_entropy(rounded, ones_B, ones_B) == cross_entropy(rounded.float(), ones_B, ones_B)
        in_pairs = (torch.arange(64) % 2).float(), ones_B, torch.arange(64) // 2
        for of_list in (list_bpr, list_softmax):
            assert of_list(rounded[:, 0], *in_pairs) == of_list(rounded[:, 0].float(), *in_pairs)


class Overflowing(Task):
    """The loss is infinite in one step, as a product too large for fp16 makes it."""

    at: int | None = None

    def loss(self, ids_BF: Tensor) -> Tensor:
        loss: Tensor = super().loss(ids_BF)
        if self.at is not None and torch.equal(ids_BF, self.ids(0, self.at)):
            # Only the table's gradient overflows, and only in some of its rows.
            loss = loss + self.model.table(ids_BF[:2], self.model.columns).sum() * 1e38
        return loss


def test_a_step_that_overflows_changes_no_weight_and_no_state(tmp_path: Path) -> None:
    """Where one gradient is none, no optimiser steps: not even those whose own gradients are numbers."""
    task = Overflowing()
    task.at = 0
    groups = {"embedding": Optimiser(name="sparse_adam", lr=0.1), "dense": Optimiser(lr=0.02)}
    settings = Ranking.model_validate({"epochs": 1, "clip_norm": 0.2, **groups})
    optimisers = build_optimisers(task.model, {"embedding": settings.embedding, "dense": settings.dense})
    before = bits(task.model)
    seen: list[dict[str, bytes]] = []

    def look(epoch: int, number: int) -> None:
        if (epoch, number) in ((0, 1), (0, 2)):
            weights = {name: value.detach().numpy().tobytes() for name, value in task.model.named_parameters()}
            seen.append(weights)
            assert bool(optimisers[0].state) is (number == 2)

    task.before = look
    fit(task, optimisers, settings, Silent(), Checkpoints(tmp_path, {}, 60.0, Silent(), "toy"), Precision("fp16"))

    assert len(seen) == 2
    assert seen[0] == {name: before[name] for name in seen[0]}
    assert all(seen[1][name] != before[name] for name in seen[1])


def test_a_loss_scale_leaves_gradients_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With duplicates in sparse gradients, and clipping. The scale is small enough that no step overflows."""
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    original = Precision.scaler
    monkeypatch.setattr(Precision, "scaler", lambda self: scaler if self.name == "fp16" else original(self))
    tables = []
    names: list[Name] = ["fp32", "fp16"]
    for name in names:
        task = Task()
        table = task.model.table.table.weight
        before = table.detach().clone()
        sgd = Optimiser(name="sgd", lr=1.0)
        settings = Ranking.model_validate({"epochs": 1, "clip_norm": 0.2, "embedding": sgd, "dense": sgd})
        run(task, tmp_path / name, precision=Precision(name), settings=settings)
        tables.append(table.detach() - before)
    exact, half = tables

    assert exact.norm() > 0.1
    assert scaler.get_scale() == 64
    assert (half - exact).norm() < 0.01 * exact.norm()


def test_auto_is_what_the_cpu_multiplies_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, name in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found)
        assert choose_precision(Compute(), CPU).name == name


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_what_is_asked_for_is_what_there_is(name: Name) -> None:
    assert choose_precision(Compute(precision=name), CPU) == Precision(name)


def test_tf32_on_a_cpu_is_refused() -> None:
    with pytest.raises(EnvironmentFault, match=r'"tf32" needs a GPU of compute capability 8\.0.*found the CPU.*"auto"'):
        choose_precision(Compute(precision="tf32"), CPU)


@pytest.mark.parametrize(
    ("asked", "capability", "name"),
    [("auto", (7, 5), "fp32"), ("auto", (8, 0), "bf16"), ("tf32", (9, 0), "tf32"), ("fp16", (7, 0), "fp16")],
)
def test_a_gpu_is_asked_what_it_can(
    asked: Any, capability: tuple[int, int], name: Name, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    assert choose_precision(Compute(precision=asked), torch.device("cuda")) == Precision(name, "cuda")


@pytest.mark.parametrize("asked", ["tf32", "bf16"])
def test_a_gpu_that_cannot_is_named(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")

    with pytest.raises(EnvironmentFault, match=r"found Tesla T4 of 7\.5"):
        choose_precision(Compute(precision=asked), torch.device("cuda"))


def test_tf32_is_set_while_it_applies() -> None:
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    with Precision("tf32", "cuda").applied(nn.Linear(1, 1)):
        assert products.fp32_precision == "tf32"

    assert products.fp32_precision == before
