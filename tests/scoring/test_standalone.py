"""A standalone master and two workers, each a process: a driver that is killed, and the one that goes on."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import USERS

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def waited_for(condition: Callable[[], bool], seconds: float = 300) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    """Its address; two workers of one core each look for it."""
    pyspark = pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java 17, and there is no java on the path")
    start = [str(Path(pyspark.__path__[0]) / "bin" / "spark-class")]
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    at = ["--host", "127.0.0.1", "--webui-port", "0"]
    workers = [["Worker", *at, "--cores", "1", "--memory", "1g", "--work-dir", str(tmp_path / name)] for name in "ab"]
    commands = [["Master", *at, "--port", str(port)], *([*worker, url] for worker in workers)]
    with ExitStack() as running:
        for role, *words in commands:
            command = [*start, f"org.apache.spark.deploy.{'master' if role == 'Master' else 'worker'}.{role}", *words]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            running.callback(process.wait)
            running.callback(process.terminate)
        assert waited_for(lambda: answers(port))
        yield url


def test_a_driver_that_was_killed(master: str, bundle: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    words = ["recommend", str(bundle), "--engine", "spark", "--master", master, "--part-users", "1", "--output"]
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


def test_a_cluster_whose_workers_are_too_small(master: str) -> None:
    """More memory than any worker has is asked for: Spark would wait for ever."""
    code = f"""
from pyspark.sql import SparkSession
from shortlist.cluster.jobs import watched
from shortlist.core.errors import EnvironmentFault
session = SparkSession.builder.master({master!r}).config("spark.executor.memory", "7g").getOrCreate()
try:
    watched(session, session.range(0, 2, 1, 2).collect, 2, print, patience_s=3)
except EnvironmentFault as error:
    print("told:", error)
session.stop()
"""
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}

    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert "told: for 3 s no executor has taken any work" in said.stdout, said.stderr
