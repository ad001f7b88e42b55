"""The benchmark of training: ours held between rounds, its goals, its FLOPs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks import command
from benchmarks.clicks import write_clicks
from benchmarks.harness import Rounds
from benchmarks.train import Measured, goals_of
from benchmarks.train_mlp import flops
from benchmarks.train_ours import OPTIMISERS, Trainer, ranking_of
from shortlist.nn.embedding import StackedEmbedding
from shortlist.recipe.ranking import Ranking

SIZES = (10, 50, 500)


def _settings(tmp_path: Path, **more: Any) -> dict[str, Any]:
    write_clicks(tmp_path / "log", 4 * 4096, 4096, SIZES, 0)
    settings = {"folder": str(tmp_path / "log"), "numbers": 2, "dim": 4, "hidden": (8,), "seed": 0}
    return {**settings, "optimiser": "default", "checkpoints": str(tmp_path / "checkpoints"), **more}


def test_ours_goes_on_where_it_was_held_and_ends_with_its_auc(tmp_path: Path) -> None:
    trainer = Trainer(_settings(tmp_path))
    first, second = trainer.train(1), trainer.train(2)
    assert (first["rows"], second["rows"]) == (4096, 2 * 4096)
    assert first["cpu_s"] > 0
    tables = [module.table.weight for module in trainer.task.model.modules() if isinstance(module, StackedEmbedding)]
    auc = trainer.score()["auc"]
    with torch.inference_mode():
        assert auc == trainer.task.validate()["auc"]
    # One row more than its values for each field: what was never seen.
    assert [len(rows) for rows in tables] == [sum(SIZES) + len(SIZES)]


def test_a_failure_of_the_fit_reaches_whoever_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, step: object) -> Tensor:
        raise FloatingPointError("no number")

    monkeypatch.setattr("benchmarks.train_ours.Held.loss", broken)
    trainer = Trainer(_settings(tmp_path))
    with pytest.raises(FloatingPointError, match="no number"):
        trainer.train(1)


def test_goals_compare_each_peer_with_ours_of_its_optimiser() -> None:
    rates = {"ours": 20.0, "ours, Adam": 9.0, "ours, Adagrad": 16.0, "the MLP alone": 25.0, "Torch-RecHub": 4.0}
    found = Measured(
        Rounds({name: [rate] for name, rate in {**rates, "Keras": 5.0, "Keras, Adagrad": 8.0}.items()}),
        {"ours": 0.75, "Keras": 0.7515, "Keras, Adagrad": None},
        {"FuxiCTR": "ERROR"},
    )
    goals = goals_of(found)
    assert goals == {
        "defaults: times the best PyTorch peer": (8, 5.0, False),
        "defaults: times Keras": (2.5, 4.0, True),
        "same optimiser: times Torch-RecHub": (2, 2.25, True),
        "same optimiser: times Keras": (2, 1.8, False),
        "same optimiser: times Keras, Adagrad": (2, 2.0, True),
        "share of the MLP alone": (0.8, 0.8, True),
        "AUC: at least the best peer's less 0.002": (0.7495, 0.75, True),
    }


def test_flops_of_a_step_by_hand() -> None:
    assert flops((3, 2, 1)) == 6 * (3 * 2 + 2 * 1)


def test_every_optimiser_of_ours_is_a_valid_recipe() -> None:
    found = {
        optimiser: Ranking.model_validate(ranking_of({"dim": 4, "hidden": (8,), "optimiser": optimiser}))
        for optimiser in OPTIMISERS
    }
    assert found["default"].embedding == Ranking().embedding
    assert found["default"].dense == Ranking().dense
    assert (found["adam"].embedding.name, found["adam"].dense.weight_decay) == ("adamw", 0)
    assert (found["adagrad"].embedding.name, found["adagrad"].dense.name) == ("adagrad", "adagrad")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "loader"])
def test_quick_mode_runs(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = command.main([name, "--quick", "--json", "--work", str(tmp_path)])
    found = json.loads(capfd.readouterr().out)
    assert code == (0 if found["passed"] else 1)
    assert found["ours"] > 0
    assert found["limit"] > 0
    assert found["quick"] is True
