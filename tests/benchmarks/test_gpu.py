"""The benchmark for GPUs, its code run at tiny sizes on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import command, gpu
from benchmarks.gpu import PUBLISHED, device_matrix_rate, goals_of, measure, result
from benchmarks.gpu_models import Case, deepfm, outbrain, random_batches
from benchmarks.harness import Options

CPU = torch.device("cpu")
SETTINGS = {"fp32": {"precision": "fp32"}, "bf16": {"precision": "bf16"}}


def _tiny() -> tuple[Case, Case]:
    return outbrain(batch=32, hidden=(8, 8), shrink=5000), deepfm(batch=32, hidden=(8,), shrink=50_000)


def test_the_network_has_the_inputs_of_the_published_one() -> None:
    case = outbrain()

    assert case.widths == (1328, 1024, 1024, 1024, 1024, 1024, 1)
    assert (len(case.inputs.fields), len(case.inputs.bags), len(case.inputs.numbers)) == (16, 6, 32)
    assert deepfm().widths == (26 * 16 + 13, 400, 400, 400, 1)


@pytest.mark.parametrize("case", _tiny(), ids=["outbrain", "deepfm"])
def test_the_model_that_is_built_has_these_widths(case: Case) -> None:
    model = case.build()
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]

    assert [layer.in_features for layer in layers] == list(case.widths[:-1])
    assert layers[-1].out_features == 1


def test_random_ids_lie_in_their_columns_and_bags_hold_some() -> None:
    case = _tiny()[0]
    batch, targets_BT = next(random_batches(case, CPU, 0)())

    assert targets_BT.shape == (32, 1)
    for place, column in enumerate(case.inputs.fields):
        ids_B = batch.ids_BF[:, place]
        assert bool(((ids_B >= column.offset) & (ids_B < column.offset + column.size)).all())
    for column in case.inputs.bags:
        length_B = batch.bags[column.name].length_B
        assert bool(((length_B >= 1) & (length_B <= column.hotness)).all())


@pytest.mark.parametrize("case", _tiny(), ids=["outbrain", "deepfm"])
def test_every_setting_trains(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "WARMUP", 2)
    rates = measure(case, CPU, SETTINGS, 0.01, Options(work=tmp_path))

    assert rates.failed == {}
    assert set(rates.medians()) == set(SETTINGS)
    assert all(rate > 0 for rate in rates.medians().values())


def test_ours_is_the_fastest_setting_beside_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "WARMUP", 2)
    case = _tiny()[0]
    rates = {case.name: measure(case, CPU, SETTINGS, 0.01, Options(work=tmp_path))}
    found = result([case], rates, {"bf16": 1e9}, {"gpu": "none"}, Options())

    assert found.ours == max(rates[case.name].medians().values())
    assert found.ratio == found.ours / 2_310_000
    assert found.limit == pytest.approx(1e9 / (6 * (1328 * 8 + 8 * 8 + 8)))
    assert not found.passed
    json.dumps(found.to_json())


def test_each_precision_is_held_against_its_own() -> None:
    tf32, mixed = PUBLISHED.values()
    goals = goals_of({"tf32": tf32, "bf16": mixed / 2, "bf16, compiled": 2 * mixed})

    assert [(measured, met) for _, measured, met in goals.values()] == [(1, True), (2, True)]


def test_the_matrix_rate_of_a_device_is_measured() -> None:
    assert device_matrix_rate(CPU, "fp32", size=64, rounds=2) > 1e6


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_and_gives_no_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["gpu", "--json"]) != 0
    said = capsys.readouterr()

    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "no GPU here" in said.err
