"""Trials on Spark are the trials of this machine's processes, run elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")
pytest.importorskip("tomlkit")

from shortlist.core.errors import RecipeError
from shortlist.core.progress import Silent
from shortlist.tuning import tune
from shortlist.tuning.spark import GROUP, reason
from tests.tuning.test_tuner import Written, shop

__all__ = ["shop"]

MASTER = "local-cluster[2,1,1024]"
"""A master and two workers with one core and a JVM of its own each, as on a cluster of two machines."""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A running application of two executors, whose tasks can be counted."""
    pyspark = pytest.importorskip("pyspark.sql", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java 17, and there is no java on the path")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("SPARK_WORKER_DIR", str(tmp_path / "work"))
    options: dict[str, Any] = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.executorEnv.PYTHONPATH": os.pathsep.join(sys.path),
    }
    session = pyspark.SparkSession.builder.master(MASTER).config(map=options).getOrCreate()
    yield session
    session.stop()


def tasks_of(cluster: Any) -> dict[str, int]:
    """How many tasks each executor has been given so far."""
    executors = cluster.sparkContext._jsc.sc().statusStore().executorList(True)
    every = [executors.apply(i) for i in range(executors.size())]
    return {each.id(): each.totalTasks() for each in every if each.id() != "driver"}


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_two_executors_find_what_processes_of_this_machine_find(shop: Path, cluster: Any, tmp_path: Path) -> None:
    on_spark = ["tune.workers=2", f"tune.spark={MASTER}"]
    best, said = tmp_path / "best.toml", Written()
    # Tests of other modules may have had tasks on the same cluster.
    before = tasks_of(cluster)
    here = tune(shop / "shop.toml", (), None, tmp_path / "here", Silent(), out=best)
    found = tune(shop / "shop.toml", on_spark, None, tmp_path / "spark", said, out=best)
    again = tune(shop / "shop.toml", [*on_spark, "tune.trials=5"], None, tmp_path / "spark", said, out=best)
    tracker = cluster.sparkContext.statusTracker()
    tasks = [done - before.get(executor, 0) for executor, done in tasks_of(cluster).items()]

    def tried(result: Any) -> dict[int, Any]:
        return {trial.number: (trial.params, trial.value) for trial in result.trials if trial.number < 4}

    assert len(found.trials) == 4
    assert tried(found) == tried(here) == tried(again)
    assert found.tuned is not None
    assert here.tuned is not None
    assert [one.second for one in found.tuned.comparisons] == [one.second for one in here.tuned.comparisons]
    assert len(again.trials) == 5
    assert "tune going on with 4 trials, 0 of which had not ended" in said.lines
    assert len(tracker.getJobIdsForGroup(GROUP)) == sum(tasks) == 5
    assert len(tasks) == 2
    assert min(tasks) > 0


def test_tables_that_spark_prepares_are_not_prepared_in_its_executors(shop: Path, tmp_path: Path) -> None:
    given = [f"tune.spark={MASTER}", "compute.engine=spark", "tune.features.item={choice=[{}]}"]
    with pytest.raises(RecipeError, match=r"tune\.features\.item: is prepared anew by Spark in each trial"):
        tune(shop / "shop.toml", given, None, tmp_path / "runs", Silent())


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, "
            "most recent failure: Lost task 0.3: org.apache.spark.api.python.PythonException: Traceback (most recent "
            "call last):\n  File \"worker.py\", line 1\nModuleNotFoundError: No module named 'shortlist'\n\n"
            "\tat org.apache.spark.api.python.BasePythonRunner\nDriver stacktrace:",
            "ModuleNotFoundError: No module named 'shortlist'",
        ),
        (
            "org.apache.spark.SparkException: Job aborted: ExecutorLostFailure (executor 1 exited)\n"
            "Driver stacktrace:\n\tat org.apache.spark.scheduler.DAGScheduler",
            "org.apache.spark.SparkException: Job aborted: ExecutorLostFailure (executor 1 exited)",
        ),
    ],
)
def test_what_spark_says_at_length_is_told_in_a_line(message: str, line: str) -> None:
    assert reason(message) == line
