"""Stages trained in several processes: killed and gone on with, by others, and what they fail of."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
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
from shortlist.training.launch.failures import first_failure
from shortlist.training.launch.train import train
from shortlist.training.launch.work import Work
from tests.pipeline.killed import RECIPE

pytestmark = pytest.mark.slow
_RETRIEVAL, _, _RANKING = RECIPE.partition("[compute]")[0].replace(", dropout = 0.2", "").partition("[ranking]")
ALONE = _RETRIEVAL.replace("epochs = 2", "epochs = 4")
RANKER = f"[ranking]{_RANKING}"
LAST = {"retrieval": 40, "ranking": 12}
"""The last checkpoint at which a stage is killed, of 54 and 20: it must not end before."""


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, stage: str, message: str) -> None:
        self.lines.append(f"{stage}: {message}")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    simulate_to(folder, users=60, items=60, seed=1)
    return folder


@pytest.fixture(scope="module")
def whole(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    run_stages(recipe(shop, 2), folder, Silent(), "train")
    return folder


def recipe(data: Path, processes: int, compute: str = "", ranking: str = "") -> Recipe:
    compute = f'threads = 1\ndevice = "cpu"\nprecision = "fp32"\nprocesses = {processes}\n{compute}'
    text = f"{ALONE}\n{ranking}\n[compute]\n{compute}"
    return parse_recipe(text, "shop.toml", (), data, check_models)


def curve(folder: Path) -> list[tuple[float, ...]]:
    """Losses and metrics of the epochs."""
    history: list[dict[str, Any]] = read_json(folder / "retrieval" / "history.json")
    return [(entry["train_loss"], *entry["valid"].values()) for entry in history]


def funnel(folder: Path) -> dict[str, float]:
    """What the bundle's lists are worth."""
    measured = read_json(folder / "metrics.json")["stages"]["funnel"]
    return {name: value["value"] for name, value in measured.items()}


def killed(of: Recipe, folder: Path, seed: int, stage: str = "retrieval") -> None:
    """Run a recipe of two processes, of which the second is killed as it trains a stage.

    When follows from the seed: so long after a checkpoint, each step making one.
    """
    chance = random.Random(f"{stage} {seed}")
    number, pause = chance.randint(1, LAST[stage]), chance.uniform(0, 0.05)
    # Shown where the test fails.
    print(f"seed {seed}: killed {pause:.3f} s after checkpoint {number} of {stage}")
    threading.Thread(target=_kill_second, args=(folder, stage, number, pause), daemon=True).start()
    with pytest.raises(EnvironmentFault, match=r"process 2 of 2 was ended by SIGKILL.*run the same command again"):
        run_stages(of, folder, Silent(), "train")


def _kill_second(folder: Path, stage: str, number: int, pause: float) -> None:
    while not (training := _at_checkpoint(folder / f".{stage}.training", number)):
        time.sleep(0.005)
    time.sleep(pause)
    os.kill(read_json(next(training.glob("job-*/process-1.json")))["pid"], signal.SIGKILL)


def _at_checkpoint(place: Path, number: int) -> Path | None:
    """Where the stage's checkpoints are, once one of that number or a later one is there."""
    made = [path for path in place.glob("*/[0-9]*") if path.name.isdecimal() and int(path.name) >= number]
    return made[0].parent if made else None


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_and_gone_on_with_by_one(seed: int, shop: Path, whole: Path, tmp_path: Path) -> None:
    killed(recipe(shop, 2, "checkpoint_seconds = 0.0"), tmp_path, seed)
    heard = Heard()
    run_stages(recipe(shop, 1), tmp_path, heard, "train")

    assert any(line.startswith("retrieval: going on from epoch") for line in heard.lines)
    np.testing.assert_allclose(curve(tmp_path), curve(whole), rtol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "prepared", "retrieval"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1])
def test_killed_in_both_models_it_comes_to_the_same_funnel(seed: int, shop: Path, tmp_path: Path) -> None:
    run_stages(recipe(shop, 2, ranking=RANKER), tmp_path / "whole", Silent(), "evaluate")
    for stage in LAST:
        killed(recipe(shop, 2, "checkpoint_seconds = 0.0", RANKER), tmp_path / "cut", seed, stage)
    heard = Heard()
    run_stages(recipe(shop, 2, ranking=RANKER), tmp_path / "cut", heard, "evaluate")

    assert any(line.startswith("ranking: going on from epoch") for line in heard.lines)
    assert funnel(tmp_path / "cut") == pytest.approx(funnel(tmp_path / "whole"), rel=1e-4)


def test_a_users_mistake_is_raised_by_the_process_that_waits(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match='"mapped" keeps tables in files of one process, and 2 train together'):
        run_stages(recipe(shop, 2, 'embeddings = "mapped"'), tmp_path, Silent(), "train")


ABORTING = """
import atexit, os, runpy, sys
atexit.register(os.abort)
sys.argv = ["process", sys.argv[1]]
runpy.run_module("shortlist.training.launch.process", run_name="__main__")
"""
"""A process whose interpreter cannot end without an abort, as one with a library's thread that is still about."""


@pytest.mark.parametrize("done", [True, False])
def test_how_a_process_ends_is_how_its_work_did(shop: Path, tmp_path: Path, done: bool) -> None:
    of = recipe(shop, 1)
    if done:
        run_stages(of, tmp_path / "run", Silent(), "prepare")
        prepared = Prepared.open(tmp_path / "run" / "prepared")
        folder, checkpoints = tmp_path / "folder", tmp_path / "checkpoints"
        folder.mkdir()
        checkpoints.mkdir()
        work = Work(prepared=prepared, recipe=of, stage="retrieval", folder=folder, checkpoints=checkpoints)
        work.write(tmp_path / "job")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    (tmp_path / "job").mkdir(exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-c", ABORTING, str(tmp_path / "job")], env={**os.environ, **alone}, timeout=200, check=False
    )

    assert ended.returncode == (0 if done else 1)
    assert (tmp_path / "folder" / "history.json").exists() == done
    failure = first_failure(tmp_path / "job")
    assert (failure is None) == done
    assert done or "does not see" in str(failure)


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
