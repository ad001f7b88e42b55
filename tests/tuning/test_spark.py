"""Trials on Spark are the trials of this machine's processes, run elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")
pytest.importorskip("tomlkit")

from shortlist.core.errors import RecipeError
from shortlist.core.progress import Silent
from shortlist.recipe.tune import Range, Tune
from shortlist.tuning import tune
from shortlist.tuning.spark import GROUP, SparkWorkers
from shortlist.tuning.trial import Outcome
from shortlist.tuning.tuner import planned
from shortlist.tuning.workers import Job
from tests.tuning.test_tuner import Written, shop

__all__ = ["shop"]

MASTER = "local-cluster[2,1,1024]"
"""A master and two workers with one core and a JVM of its own each, as on a cluster of two machines."""


def trials_of(session: Any) -> set[int]:
    """The jobs of all searches so far; other tests leave jobs of no group."""
    jobs = session.sparkContext._jsc.sc().statusStore().jobsList(None)
    groups = {jobs.apply(i).jobId(): jobs.apply(i).jobGroup() for i in range(jobs.size())}
    return {job for job, group in groups.items() if group.isDefined() and str(group.get()).startswith(GROUP)}


def tasks_of(session: Any) -> dict[str, int]:
    """How many tasks each executor has been given so far."""
    executors = session.sparkContext._jsc.sc().statusStore().executorList(True)
    every = [executors.apply(i) for i in range(executors.size())]
    return {each.id(): each.totalTasks() for each in every if each.id() != "driver"}


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_two_executors_find_what_processes_of_this_machine_find(shop: Path, spark_session: Any, tmp_path: Path) -> None:
    on_spark = ["tune.workers=2", f"tune.spark={MASTER}"]
    best, said = tmp_path / "best.toml", Written()
    # Tests of other modules may have had tasks on the same cluster.
    before, earlier = tasks_of(spark_session), trials_of(spark_session)
    here = tune(shop / "shop.toml", (), None, tmp_path / "here", Silent(), out=best)
    found = tune(shop / "shop.toml", on_spark, None, tmp_path / "spark", said, out=best)
    again = tune(shop / "shop.toml", [*on_spark, "tune.trials=5"], None, tmp_path / "spark", said, out=best)
    tasks = [done - before.get(executor, 0) for executor, done in tasks_of(spark_session).items()]

    def tried(result: Any) -> dict[int, Any]:
        return {trial.number: (trial.params, trial.value) for trial in result.trials if trial.number < 4}

    assert len(found.trials) == 4
    assert tried(found) == tried(here) == tried(again)
    assert found.tuned is not None
    assert here.tuned is not None
    assert [one.second for one in found.tuned.comparisons] == [one.second for one in here.tuned.comparisons]
    assert len(again.trials) == 5
    assert "tune going on with 4 trials, 0 of which had not ended" in said.lines
    assert len(trials_of(spark_session) - earlier) == sum(tasks) == 5
    assert len(tasks) == 2
    assert min(tasks) > 0


def test_tables_that_spark_prepares_are_not_prepared_in_its_executors(shop: Path, tmp_path: Path) -> None:
    given = [f"tune.spark={MASTER}", "compute.engine=spark", "tune.features.item={choice=[{}]}"]
    with pytest.raises(RecipeError, match=r"tune\.features\.item: is prepared anew by Spark in each trial"):
        tune(shop / "shop.toml", given, None, tmp_path / "runs", Silent())


def test_a_task_of_spark_starts_no_others(shop: Path, tmp_path: Path) -> None:
    given = [f"tune.spark={MASTER}", "compute.launcher=spark"]
    with pytest.raises(RecipeError, match=r"tune\.spark: a trial is a task, which cannot start others"):
        tune(shop / "shop.toml", given, None, tmp_path / "runs", Silent())


def workers(shop: Path, tmp_path: Path, session: Any) -> SparkWorkers:
    tune_ = Tune(ranges={"retrieval.model.neighbours": Range(log_int=(2, 40))})
    plan = planned(shop / "shop.toml", (), None, tmp_path / "runs", tune_)
    found = SparkWorkers(plan, None, 1, MASTER)
    found._session = session
    return found


@pytest.mark.integration
def test_searches_of_one_application_leave_each_others_trials_alone(shop: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    cancelled = []

    class Application:
        @property
        def sparkContext(self) -> Application:  # noqa: N802
            return self

        def cancelJobGroup(self, group: str) -> None:  # noqa: N802
            cancelled.append(group)

    one, other = (workers(shop, tmp_path, Application()) for _ in range(2))
    for each in (one, other):
        each._threads = ThreadPoolExecutor(1)
        each._jobs = {each._threads.submit(lambda: Outcome("finished", 0.0, 0.0)): Job(0, {})}
    one.__exit__()
    other.__exit__()

    assert cancelled == [one.group, other.group]
    assert one.group != other.group


@pytest.mark.integration
def test_a_connection_to_spark_that_is_lost_loses_the_trial(shop: Path, tmp_path: Path) -> None:
    errors = pytest.importorskip("py4j.protocol", reason="PySpark is not installed: pip install 'shortlist[spark]'")

    class Gone:
        @property
        def sparkContext(self) -> Any:  # noqa: N802
            raise errors.Py4JNetworkError("Answer from Java side is empty")

    outcome = workers(shop, tmp_path, Gone())._outcome(Job(0, {}))

    assert outcome.state == "lost"
    assert outcome.message == "Spark gave up its task: Answer from Java side is empty"
