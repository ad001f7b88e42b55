"""A run's folder: one process at a time in it, what killed processes leave, and what else a run writes there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from shortlist.core.errors import EnvironmentFault
from shortlist.core.lock import only_one
from shortlist.core.profile import span
from shortlist.pipeline.run import Run
from shortlist.pipeline.stages import depends
from shortlist.pipeline.times import PARTS, Times
from tests.pipeline.test_redo import RANKING, RECIPE, Written, run, write_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def trained(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both stages, as far as their models, with its times."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    run(tables, folder, text=RECIPE + RANKING)[0].walk("train")
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def of(tables: Path, folder: Path, *overrides: str) -> tuple[Run, Written]:
    return run(tables, folder, *overrides, text=RECIPE + RANKING)


def test_a_second_run_in_the_folder_is_refused(tables: Path, folder: Path) -> None:
    with only_one(folder), pytest.raises(EnvironmentFault, match="is in use: process"):
        of(tables, folder, "ranking.epochs=2")[0].walk("train")


def test_where_nothing_is_left_to_do_nobody_need_wait(tables: Path, folder: Path) -> None:
    with only_one(folder):
        again, reporter = of(tables, folder)
        again.walk("train")

    assert reporter.left == ["prepare", "retrieval", "ranking"]


def test_what_killed_processes_left_is_cleared_and_what_they_moved_away_is_put_back(tables: Path, folder: Path) -> None:
    (folder / "retrieval").rename(folder / ".retrieval.01234567.old")
    for left in (".retrieval.01234567.partial", ".ranking.89abcdef.partial", ".tables-abc"):
        (folder / left).mkdir()
    again, reporter = of(tables, folder)
    again.walk("train")

    assert reporter.left == ["prepare", "retrieval", "ranking"]
    assert {path.name for path in folder.iterdir()} == {".lock", "prepared", "retrieval", "ranking"}


def test_checkpoints_of_other_settings_are_removed_and_that_is_said(tables: Path, folder: Path) -> None:
    older = folder / ".ranking.training" / "0123456789abcdef"
    older.mkdir(parents=True)
    other, reporter = of(tables, folder, "ranking.epochs=2")
    other.walk("train")

    assert any("begun before with other settings or data" in line for line in reporter.lines)
    assert not older.parent.exists()


@pytest.mark.parametrize(
    ("setting", "redone"),
    [
        ("compute.precision=bf16", True),
        ("compute.embeddings=mapped", True),
        ("compute.threads=2", False),
        ("compute.prefetch=0", False),
        ("compute.checkpoint_seconds=0.0", False),
        ("compute.cache_gib=1.0", False),
    ],
)
def test_only_what_changes_a_model_trains_it_anew(
    tables: Path, tmp_path: Path, setting: str, redone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the processor multiplies bf16, automatic precision comes to it and asking for it changes nothing.
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    before, after = of(tables, tmp_path)[0].recipe, of(tables, tmp_path, setting)[0].recipe

    for stage in ("retrieval", "ranking"):
        assert (depends(before, stage) != depends(after, stage)) is redone
    assert depends(before, "prepare") == depends(after, "prepare")


def test_precision_counts_as_what_it_comes_to(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    auto, named = of(tables, tmp_path)[0].recipe, of(tables, tmp_path, "compute.precision=fp32")[0].recipe

    assert depends(auto, "ranking") == depends(named, "ranking")


def test_the_parts_add_up_to_the_time_that_passed(tables: Path, tmp_path: Path) -> None:
    times = Times()
    Run(of(tables, tmp_path)[0].recipe, tmp_path / "run", times=times).walk("train")
    found = times.to_json()

    assert set(found["total"]) == set(PARTS)
    assert sum(found["total"].values()) == pytest.approx(found["seconds"], abs=0.02)
    assert min(found["total"].values()) >= 0
    assert set(found["stages"]) == {"prepare", "retrieval", "ranking"}
    assert {"read", "apply", "write"} <= set(found["stages"]["prepare"])
    assert {"load", "embed", "dense", "optimiser", "checkpoint", "validate"} <= set(found["stages"]["ranking"])


def test_the_table_has_a_column_for_each_stage_and_a_row_for_each_part_that_took_time() -> None:
    times = Times()
    with times.of("ranking"), span("dense"):
        time.sleep(0.03)
    lines = [line.split() for line in times.table().splitlines()]
    took = times.to_json()["stages"]["ranking"]["dense"]

    assert took >= 0.03
    assert lines[0] == ["seconds", "ranking", "total", "share"]
    assert lines[1][:3] == ["dense", f"{took:.2f}", f"{took:.2f}"]
    assert [line[0] for line in lines] in (["seconds", "dense", "total"], ["seconds", "dense", "other", "total"])
    assert lines[-1][-1] == "100.0%"


def test_preparing_needs_no_torch() -> None:
    code = "import sys, shortlist.pipeline; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
