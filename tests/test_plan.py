"""The plan past one machine: its formulas against numbers worked out by hand."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parent.parent / "examples" / "plan.py"
MADE: dict[str, Any] = runpy.run_path(str(FILE), run_name="plan")
Plan, Rates = MADE["Plan"], MADE["Rates"]

SMALL = Plan(
    users=1000,
    items=100,
    events=10_000,
    event_bytes=50,
    table_bytes=8000,
    dim=10,
    lookups=4,
    layers="20,5",
    positives=0.5,
    negatives=3,
    draws_per_s=300,
    epochs=2,
    batch=100,
    hosts=2,
    cores=5,
    network=1000,
    store=500,
    disk=1000,
    spark=0.5,
    scratch_bytes=20,
    gpus=4,
    gpu_memory=5000,
    gpu_bandwidth=1e6,
    gpu_lookup_share=0.5,
    gpu_flops=1e7,
    gpu_share=0.1,
    gpu_network=1e5,
    core_hour=1,
    gpu_hour=3,
)
MEASURED = Rates(prepare_rows=100, prepared_bytes=30, loader_rows=1000, flops=1e6, search_share=0.5, request_s=0.01)


def stage(name: str, plan: Any = SMALL) -> Any:
    return next(each for each in MADE["stages"](plan, MEASURED) if each.name == name)


def test_preparing() -> None:
    """10,000 rows at 50 a second on each of 10 cores; half of 500 kB between two hosts; 800 kB at the store; 200 kB of
    scratch, written and read."""
    prepare = stage("prepare")

    assert prepare.seconds == pytest.approx({"cores": 20, "network": 125, "object store": 800, "scratch": 200})
    assert (prepare.bottleneck, prepare.wall_s) == ("object store", 800)
    assert prepare.cost == pytest.approx(800 / 3600 * 10)


def test_training() -> None:
    """40,000 samples of 4 x 10 numbers through 40-20-5-1: 905 weights, 5,430 FLOPs a sample."""
    train = stage("train")
    vectors = 40_000 * 160

    assert train.flops == 40_000 * 5430
    assert train.seconds == pytest.approx(
        {
            "products": 40_000 * 5430 / 4e6,
            "table rows": 3 * vectors / 2e6,
            "all-to-all": 2 * vectors * 0.75 / 4e5,
            "all-reduce": 400 * 2 * 905 * 4 * 0.75 / 1e5,
            "loader": (40 + 100) / 4,
            "shards": 1200,
        }
    )
    assert train.bottleneck == "shards"
    assert train.note == "tables need 3 GPUs"
    assert stage("train", replace(SMALL, table_bytes=80_000)).note == "tables need 22 GPUs, 4 are there"


def test_more_gpus_part_what_loaders_do_and_read_no_less() -> None:
    few, many = stage("train").seconds, stage("train", replace(SMALL, gpus=40)).seconds

    assert many["loader"] == few["loader"] / 10
    assert many["shards"] == few["shards"]


def test_what_is_done_with_the_tables_after_training() -> None:
    """8,000 bytes of weights at 500 a second, and an accumulator to ten numbers in checkpoints alone."""
    checkpoint, export, sending = stage("a checkpoint"), stage("export"), stage("send the bundle")

    assert checkpoint.seconds == pytest.approx({"object store": 17.6})
    assert checkpoint.note == "35.2 kB for 4 at once"
    assert export.seconds == pytest.approx({"object store": 96})
    assert sending.seconds == pytest.approx({"object store": 64, "disk": 24})
    assert (sending.bytes, sending.note) == (40_000, "16 kB on each host")


def test_the_hottest_item() -> None:
    exact = 1 / sum(1 / place for place in range(1, 101))

    assert MADE["hottest"](SMALL) == pytest.approx(exact, rel=1e-2)


def test_one_gpu_sends_nothing() -> None:
    alone = stage("train", replace(SMALL, gpus=1)).seconds

    assert (alone["all-to-all"], alone["all-reduce"]) == (0, 0)


def test_scoring_and_serving() -> None:
    """2 MFLOP of products over 5 MFLOP a second; 1,000 lists of 10 ms on 10 cores."""
    assert stage("score all users").seconds == pytest.approx({"search": 0.4, "ranking": 1})
    assert MADE["serving_cores"](replace(SMALL, requests_per_s=120), MEASURED) == pytest.approx(2)


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    MADE["main"]([])
    page = (FILE.parent.parent / "docs" / "scale.md").read_text()

    assert capsys.readouterr().out in page


def test_the_command_shows_every_stage_from_published_rates(capsys: pytest.CaptureFixture[str]) -> None:
    MADE["main"](["--users", "2e6", "--gpus", "1"])
    shown = capsys.readouterr().out

    for name in ("prepare", "vocabularies", "train", "export", "index", "send the bundle", "score all users"):
        assert name in shown
    assert "tables need 10 GPUs, 1 are there" in shown
