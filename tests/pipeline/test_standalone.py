"""MovieLens on a standalone Spark cluster, tables and training both: as good as on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shortlist.core.files import read_json

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "movielens_1m.toml"
FEW = ["retrieval.epochs=1", "ranking.epochs=1", "compute.threads=1"]

CONF = {
    # An executor that a busy machine leaves no time for is not dead.
    "spark.network.timeout": "800s",
    "spark.executor.heartbeatInterval": "60s",
    # By default 200, for a cluster of another size.
    "spark.sql.shuffle.partitions": "4",
}


@pytest.fixture
def some_users(real_data: Callable[[str], Path], tmp_path: Path) -> Path:
    """The tables of MovieLens-1M, with every eighth user of them."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("ratings", "users", "movies"):
        table = pq.read_table(real_data("ml-1m") / f"{name}.parquet")
        if name != "movies":
            table = table.filter(pc.equal(pc.bit_wise_and(table["user_id"], 7), 0))
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def ran(data: Path, runs: Path, *settings: str) -> dict[str, Any]:
    """What `shortlist run` measures of the funnel."""
    sets = [word for setting in (*FEW, *settings) for word in ("--set", setting)]
    words = ["run", str(RECIPE), "--data", str(data), "--runs", str(runs), "--no-tracking", *sets]
    # The executors' Python; a cluster of several machines has one at the same path on each.
    python = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    conf = " ".join(f"--conf {name}={value}" for name, value in CONF.items())
    environment = {**os.environ, **python, "PYSPARK_SUBMIT_ARGS": f"{conf} pyspark-shell"}
    command = [sys.executable, "-m", "shortlist.cli", *words]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    folder = runs / "movielens_1m"
    metrics: dict[str, Any] = read_json(folder / "metrics.json")
    return {"engine": read_json(folder / "prepared" / "manifest.json")["engine"], **metrics["stages"]["funnel"]}


def test_movielens_on_two_workers(standalone_master: str, some_users: Path, tmp_path: Path) -> None:
    on_spark = [f"compute.{name}=spark" for name in ("engine", "launcher")]
    here = ran(some_users, tmp_path / "here")
    there = ran(
        some_users, tmp_path / "there", *on_spark, "compute.processes=2", f"compute.spark_master={standalone_master}"
    )

    assert (here.pop("engine"), there.pop("engine")) == ("duckdb", "spark")
    assert there.keys() == here.keys()
    # What is a figure of the whole catalogue, as its coverage, has no interval.
    between = {name: (metric["low"], metric["high"]) for name, metric in here.items() if metric["low"] is not None}
    assert {"recall@20", "recall@100", "ndcg@10", "hit@10"} <= between.keys()
    for name, (low, high) in between.items():
        assert low <= there[name]["value"] <= high, name
        assert low < high, name
