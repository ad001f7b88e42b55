"""A standalone master and two workers, each a process: a driver that is killed, and the one that goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import USERS
from tests.standalone import waited_for

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_driver_that_was_killed(standalone_master: str, bundle: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    words = [
        "recommend",
        str(bundle),
        "--engine",
        "spark",
        "--master",
        standalone_master,
        "--part-users",
        "1",
        "--output",
    ]
    command = [sys.executable, "-m", "shortlist.cli", *words, str(lists)]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        begun = waited_for(lambda: len(list(lists.glob("part-*"))) >= 3 or process.poll() is not None)
        os.killpg(process.pid, signal.SIGKILL)
    before = {path.name: path.stat().st_mtime_ns for path in lists.glob("part-*")}

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert begun
    assert 3 <= len(before) < USERS
    assert again.returncode == 0, again.stderr
    assert {name: (lists / name).stat().st_mtime_ns for name in before} == before
    found = pq.read_table(lists)
    assert len(list(lists.glob("part-*.parquet"))) == USERS
    assert sorted(set(found["user_id"].to_pylist())) == list(range(1, USERS + 1))
    assert len(found) == 10 * USERS
    assert (lists / "_SUCCESS").is_file()


def test_a_cluster_whose_workers_are_too_small(standalone_master: str) -> None:
    """More memory than any worker has is asked for: Spark would wait for ever."""
    code = f"""
from pyspark.sql import SparkSession
from shortlist.cluster.jobs import watched
from shortlist.core.errors import EnvironmentFault
session = SparkSession.builder.master({standalone_master!r}).config("spark.executor.memory", "7g").getOrCreate()
try:
    watched(session, session.range(0, 2, 1, 2).collect, 2, print, patience_s=3)
except EnvironmentFault as error:
    print("told:", error)
session.stop()
"""
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}

    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert "told: for 3 s no executor has taken any work" in said.stdout, said.stderr
