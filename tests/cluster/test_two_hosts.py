"""A standalone cluster of two hosts that prepares and trains; one host's worker is killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.core.errors import EnvironmentFault
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.simulate import simulate_to
from shortlist.models.catalogue import check_models
from shortlist.pipeline import run_stages
from shortlist.recipe import parse_recipe
from tests.cluster.hosts import Host, two_hosts
from tests.pipeline.killed import RECIPE
from tests.standalone import waited_for

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

PORT = 7077
ALONE = RECIPE.partition("[ranking]")[0].replace(", dropout = 0.2", "").replace("epochs = 2", "epochs = 6")
SHOP = ALONE + '\n[compute]\nthreads = 1\ndevice = "cpu"\nprecision = "fp32"\ncheckpoint_seconds = 0.0\n'


class Cluster:
    """A master on the first of two hosts and a worker of one core on each."""

    def __init__(self, spark: Path, hosts: tuple[Host, Host], folder: Path, running: ExitStack) -> None:
        self.hosts, self.folder, self.running = hosts, folder, running
        self.program = str(spark / "bin" / "spark-class")
        self.url = f"spark://{hosts[0].name}:{PORT}"
        self._start(hosts[0], "master", "Master", "--port", str(PORT))
        assert waited_for(lambda: hosts[0].hears(PORT), 60)
        for host in hosts:
            self.add_worker(host)

    def add_worker(self, host: Host) -> None:
        """Start one, which looks for the master."""
        self._start(host, "worker", "Worker", self.url, "--cores", "1", "--memory", "1g")

    def _start(self, host: Host, package: str, role: str, *words: str) -> None:
        kept = ["--work-dir", str(self.folder / host.name)] if role == "Worker" else []
        at = ["--host", host.name, "--webui-port", "0", *kept]
        command = host.inside([self.program, f"org.apache.spark.deploy.{package}.{role}", *words, *at])
        with (self.folder / f"{role}-{host.name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(host))
        self.running.callback(process.wait)
        self.running.callback(process.terminate)

    def train(self, folder: Path) -> subprocess.Popen[str]:
        """`shortlist train` on the first host, with two processes of the cluster, in `folder`."""
        on_cluster = {"engine": "spark", "launcher": "spark", "processes": 2, "spark_master": self.url}
        given = [word for key, value in on_cluster.items() for word in ("--set", f"compute.{key}={value}")]
        verb = ["train", str(folder / "shop.toml"), "--data", str(folder), "--runs", str(folder / "runs"), *given]
        command = self.hosts[0].inside([sys.executable, "-m", "shortlist.cli", *verb])
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(self.hosts[0]))


def environment(host: Host) -> dict[str, str]:
    few = "--conf spark.sql.shuffle.partitions=4 pyspark-shell"
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_SUBMIT_ARGS": few}
    return {**os.environ, **python, "SPARK_LOCAL_IP": host.address}


@pytest.fixture
def cluster(pyspark: Any, tmp_path: Path) -> Iterator[Cluster]:
    with two_hosts(tmp_path) as hosts, ExitStack() as running:
        yield Cluster(Path(pyspark.__path__[0]), hosts, tmp_path, running)


def curve(folder: Path) -> list[tuple[float, ...]]:
    """Losses and metrics of the epochs."""
    history: list[dict[str, Any]] = read_json(folder / "retrieval" / "history.json")
    return [(entry["train_loss"], *entry["valid"].values()) for entry in history]


def has_trained_for_a_while(run: Path) -> bool:
    """Whether there is a third checkpoint, or a later one: few are kept."""
    return any(int(path.name) >= 3 for path in run.glob(".retrieval.training/*/[0-9][0-9][0-9][0-9][0-9][0-9]"))


def test_a_worker_is_killed_in_the_middle(cluster: Cluster, tmp_path: Path) -> None:
    simulate_to(tmp_path, users=240, items=60, seed=1)
    (tmp_path / "shop.toml").write_text(SHOP)
    run = tmp_path / "runs" / "shop"

    with cluster.train(tmp_path) as cut:
        begun = waited_for(lambda: has_trained_for_a_while(run) or cut.poll() is not None)
        cluster.hosts[1].kill_all("java", "python")
        told = cut.communicate()[1]
    assert begun
    assert cut.returncode == EnvironmentFault.exit_code, told
    assert "does not answer any more" in told, told
    assert "run the same command again" in told, told
    assert "Traceback" not in told, told

    cluster.add_worker(cluster.hosts[1])
    with cluster.train(tmp_path) as again:
        said = again.communicate()[1]
    assert again.returncode == 0, said
    assert "going on from epoch" in said

    here = parse_recipe(SHOP + "processes = 2\n", "shop.toml", (), tmp_path, check_models)
    run_stages(here, tmp_path / "here", Silent(), "train")
    np.testing.assert_allclose(curve(run), curve(tmp_path / "here"), rtol=1e-5)
