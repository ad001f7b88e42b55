"""Stages trained as tasks of a Spark cluster, of this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.core.errors import UserError
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.simulate import simulate_to
from shortlist.models.catalogue import check_models
from shortlist.pipeline import run_stages
from shortlist.recipe import parse_recipe
from shortlist.recipe.sections import Recipe
from tests.pipeline.killed import RECIPE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    simulate_to(folder, users=60, items=60, seed=1)
    return folder


def recipe(data: Path, compute: str) -> Recipe:
    alone = RECIPE.partition("[ranking]")[0].replace(", dropout = 0.2", "")
    text = f'{alone}\n[compute]\nthreads = 1\ndevice = "cpu"\nprecision = "fp32"\n{compute}'
    return parse_recipe(text, "shop.toml", (), data, check_models)


def curve(folder: Path) -> list[tuple[float, ...]]:
    """Losses and metrics of the epochs."""
    history: list[dict[str, Any]] = read_json(folder / "retrieval" / "history.json")
    return [(entry["train_loss"], *entry["valid"].values()) for entry in history]


def test_two_tasks_train_as_one_process_and_tell_what_they_fail_of(
    spark_session: Any, shop: Path, tmp_path: Path
) -> None:
    on_spark = 'launcher = "spark"\nprocesses = 2\n'
    run_stages(recipe(shop, on_spark), tmp_path / "spark", Silent(), "train")
    run_stages(recipe(shop, ""), tmp_path / "here", Silent(), "train")

    np.testing.assert_allclose(curve(tmp_path / "spark"), curve(tmp_path / "here"), rtol=1e-5)
    with pytest.raises(UserError, match='"mapped" keeps tables in files of one process, and 2 train together'):
        run_stages(recipe(shop, on_spark + 'embeddings = "mapped"'), tmp_path / "mapped", Silent(), "train")


CUDA = """
from pathlib import Path
from pyspark import SparkContext
from shortlist.core.errors import EnvironmentFault
from shortlist.recipe.sections import Compute
from shortlist.training.launch.spark import OnSpark
try:
    OnSpark(Path("absent"), Compute(launcher="spark", spark_master="local[1]", device="cuda")).run()
except EnvironmentFault as fault:
    print("told:", fault, SparkContext._active_spark_context)
"""


def test_gpus_that_the_cluster_does_not_give_out_end_the_session_that_was_opened_to_ask(pyspark: Any) -> None:
    said = subprocess.run([sys.executable, "-c", CUDA], capture_output=True, text=True, check=False)

    assert "told: compute.device" in said.stdout, said.stderr
    assert said.stdout.endswith(" None\n")
