"""Stages trained in several processes: killed and gone on with, by others, and what they fail of."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.core.errors import EnvironmentFault, UserError
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.prepared import Prepared
from shortlist.data.simulate import simulate_to
from shortlist.models.catalogue import check_models
from shortlist.pipeline import run_stages
from shortlist.recipe import parse_recipe
from shortlist.recipe.sections import Recipe
from shortlist.training.launch.train import train
from shortlist.training.launch.work import Work
from tests.pipeline.killed import RECIPE

pytestmark = pytest.mark.slow
ALONE = RECIPE.partition("[ranking]")[0].replace(", dropout = 0.2", "").replace("epochs = 2", "epochs = 4")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    simulate_to(folder, users=60, items=60, seed=1)
    return folder


def recipe(data: Path, processes: int, compute: str = "") -> Recipe:
    text = f'{ALONE}\n[compute]\nthreads = 1\ndevice = "cpu"\nprecision = "fp32"\nprocesses = {processes}\n{compute}'
    return parse_recipe(text, "shop.toml", (), data, check_models)


def curve(folder: Path) -> list[tuple[float, ...]]:
    """Losses and metrics of the epochs."""
    history: list[dict[str, Any]] = read_json(folder / "retrieval" / "history.json")
    return [(entry["train_loss"], *entry["valid"].values()) for entry in history]


def kill_second_once_it_trains(folder: Path) -> None:
    """After its third checkpoint or a later one."""
    while True:
        time.sleep(0.02)
        training = list(folder.glob(".retrieval.training/*"))
        if training and (training[0] / "000003").exists():
            os.kill(read_json(next(training[0].glob("job-*/process-1.json")))["pid"], signal.SIGKILL)
            return


def test_killed_and_gone_on_with_by_one(shop: Path, tmp_path: Path) -> None:
    run_stages(recipe(shop, 2), tmp_path / "whole", Silent(), "train")

    threading.Thread(target=kill_second_once_it_trains, args=(tmp_path / "cut",), daemon=True).start()
    with pytest.raises(EnvironmentFault, match=r"process 2 of 2 was ended by SIGKILL.*run the same command again"):
        run_stages(recipe(shop, 2, "checkpoint_seconds = 0.0"), tmp_path / "cut", Silent(), "train")
    said: list[str] = []

    class Heard(Silent):
        def say(self, stage: str, message: str) -> None:
            said.append(message)

    run_stages(recipe(shop, 1), tmp_path / "cut", Heard(), "train")

    assert any(line.startswith("going on from epoch") for line in said)
    np.testing.assert_allclose(curve(tmp_path / "cut"), curve(tmp_path / "whole"), rtol=1e-5)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [".lock", "prepared", "retrieval"]


def test_a_users_mistake_is_raised_by_the_process_that_waits(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match='"mapped" keeps tables in files of one process, and 2 train together'):
        run_stages(recipe(shop, 2, 'embeddings = "mapped"'), tmp_path, Silent(), "train")


def test_a_disk_that_is_full_is_told_as_that(shop: Path, small_disk: Path, tmp_path: Path) -> None:
    """Others take what space there is once the processes have begun, and what a checkpoint that failed leaves."""
    of = recipe(shop, 2)
    run_stages(of, tmp_path / "run", Silent(), "prepare")
    work = Work(
        prepared=Prepared.open(tmp_path / "run" / "prepared"),
        recipe=of,
        stage="retrieval",
        folder=tmp_path / "trained",
        checkpoints=small_disk / "checkpoints",
    )

    threading.Thread(target=fill_once_they_train, args=(small_disk,), daemon=True).start()
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        train(work, Silent())
    assert not list((small_disk / "checkpoints").glob("*000001*"))


def fill_once_they_train(disk: Path) -> None:
    """Until the disk is gone."""
    while len(list(disk.glob("checkpoints/job-*/process-*.json"))) < 2:
        time.sleep(0.02)
    with contextlib.suppress(FileNotFoundError), (disk / "filled").open("wb", buffering=0) as file:
        while (disk / "filled").exists():
            with contextlib.suppress(OSError):
                file.write(bytes(4096))


def test_under_an_outer_torchrun(shop: Path, tmp_path: Path) -> None:
    """The first process does everything, the other one takes part in the training."""
    (tmp_path / "shop.toml").write_text(f'{ALONE}\n[compute]\nthreads = 1\ndevice = "cpu"\nprecision = "fp32"\n')
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    verb = ["-m", "shortlist.cli", "train", str(tmp_path / "shop.toml"), "--data", str(shop)]
    words = [*torchrun, *verb, "--runs", str(tmp_path / "runs")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("best epoch") == 1
    run_stages(recipe(shop, 1), tmp_path / "alone", Silent(), "train")
    np.testing.assert_allclose(curve(next((tmp_path / "runs").iterdir())), curve(tmp_path / "alone"), rtol=1e-5)
