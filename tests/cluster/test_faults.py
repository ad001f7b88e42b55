"""What an executor sends is raised as what it was there, and of what Spark says at length one line is told."""

from __future__ import annotations

import json

import pytest

from shortlist.cluster.faults import MARK, reason, spark_errors
from shortlist.core.errors import DataError, EnvironmentFault, UserError

pytestmark = pytest.mark.integration
spark = pytest.importorskip("pyspark.errors", reason="PySpark is not installed: pip install 'shortlist[spark]'")
jvms = pytest.importorskip("py4j.protocol")


@pytest.mark.parametrize(("kind", "raised"), [("DataError", DataError), ("RecipeError", UserError), ("New", UserError)])
def test_an_error_of_ours_comes_back(kind: str, raised: type[UserError]) -> None:
    sent = f"{MARK} {json.dumps({'kind': kind, 'text': 'the disk is full'})}"
    with pytest.raises(UserError, match="the disk is full") as found, spark_errors(EnvironmentFault):
        raise spark.PySparkException(f"Job aborted: {sent}")
    assert type(found.value) is raised


@pytest.mark.parametrize("lost", [jvms.Py4JNetworkError("Answer from Java side is empty"), ConnectionRefusedError(111)])
def test_a_connection_that_was_lost_is_a_fault_too(lost: Exception) -> None:
    with pytest.raises(EnvironmentFault, match=r"Answer from Java side is empty|111"), spark_errors(EnvironmentFault):
        raise lost


STACK = "\tat org.apache.spark.api.python.BasePythonRunner\n\tat java.base/java.lang.Thread.run"
FAILED = "Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, most recent failure: Lost task 0.3: "
TRACEBACK = 'Traceback (most recent call last):\n  File "worker.py", line 1\n'


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            f"org.apache.spark.SparkException: {FAILED}org.apache.spark.api.python.PythonException: {TRACEBACK}"
            f"ModuleNotFoundError: No module named 'shortlist'\n\n{STACK}\nDriver stacktrace:",
            "ModuleNotFoundError: No module named 'shortlist'",
        ),
        (
            "org.apache.spark.SparkException: Job aborted: ExecutorLostFailure (executor 1 exited)\n"
            "Driver stacktrace:\n\tat org.apache.spark.scheduler.DAGScheduler",
            "Job aborted: ExecutorLostFailure (executor 1 exited)",
        ),
        (
            f"org.apache.spark.SparkException: Task failed while writing rows\n{STACK}\nCaused by: "
            f"org.apache.spark.api.python.PythonException: {TRACEBACK}ValueError: not a number\nbut a word\n\n{STACK}",
            "ValueError: not a number",
        ),
        (
            f"{TRACEBACK}KeyError: 'x'\n\nThe above exception was the direct cause of the following exception:\n\n"
            f"{TRACEBACK}RuntimeError: no such column\n\n{STACK}",
            "RuntimeError: no such column",
        ),
        (
            f'java.io.IOException: Cannot run program "/no/such/python": error=2\n{STACK}',
            'Cannot run program "/no/such/python": error=2',
        ),
        ("[NOT_FOUND] There is no table `a`.\n'Relation [a]", "[NOT_FOUND] There is no table `a`"),
        (
            "Job aborted due to stage failure: Could not recover from a failed barrier ResultStage. Most recent "
            "failure reason: Stage failed because barrier task ResultTask(0, 1) finished unsuccessfully.\n"
            f"ExecutorLostFailure (executor 1 exited) Reason: Executor heartbeat timed out\n{STACK}",
            "ExecutorLostFailure (executor 1 exited) Reason: Executor heartbeat timed out",
        ),
        ("  \n", "Spark does not say why"),
        (TRACEBACK, "Spark does not say why"),
    ],
)
def test_what_spark_says_at_length_is_told_in_a_line(message: str, line: str) -> None:
    assert reason(spark.PySparkException(message)) == line


def test_what_only_waited_for_the_cause_is_passed_over() -> None:
    class Thrown:
        def __init__(self, message: str, cause: Thrown | None = None) -> None:
            self.getMessage, self.getCause = (lambda: message), (lambda: cause)

    error = RuntimeError("An error occurred while calling o42.collect.")
    error.java_exception = Thrown("Exception thrown in awaitResult: ", Thrown("the disk is full"))  # type: ignore[attr-defined]

    assert reason(error) == "the disk is full"
