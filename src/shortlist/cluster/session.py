"""The Spark session: the running one, or one of our own at a master that was looked at first."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from shortlist.cluster.faults import reason, spark_exceptions
from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_STANDALONE = "spark://"
_REACHED_WITHIN_S = 10.0


def open_session(master: str, setting: str) -> tuple[bool, SparkSession]:
    """As `spark_application`, but a session whose settings are ours alone."""
    started, application = spark_application(master, setting)
    return started, application.newSession()


def spark_application(master: str, setting: str) -> tuple[bool, SparkSession]:
    """Whether Spark was started here, and the running session, or a new one at `master`.

    `setting` is what names the master, as `compute.spark_master`. EnvironmentFault where PySpark is not installed,
    nothing answers at the master, or Spark does not start.
    """
    need("pyspark", "spark", "work on Spark")
    from pyspark import SparkContext
    from pyspark.sql import SparkSession
    from pyspark.sql.utils import is_remote

    if is_remote() or "SPARK_REMOTE" in os.environ:
        raise EnvironmentFault(
            "this session is one of Spark Connect, which lets nobody watch a job or end it: expected one with a "
            "SparkContext. Leave SPARK_REMOTE out, or on Databricks take a cluster with dedicated access."
        )
    # Sessions are active by thread; what runs is of the process, and a second context there is none.
    if SparkContext._active_spark_context is not None:
        return False, SparkSession.active()
    _check_reached(master, setting)
    try:
        return True, _start(master)
    except spark_exceptions(OSError) as error:
        raise EnvironmentFault(
            f"cannot start Spark at {master!r}: {reason(error)}. Spark needs Java 17 or newer; see {setting}."
        ) from error


def stop(session: SparkSession) -> None:
    """End the application; one whose JVM is gone has ended."""
    with contextlib.suppress(*spark_exceptions()):
        session.stop()


def _start(master: str) -> SparkSession:
    from pyspark.sql import SparkSession

    if master.startswith("local"):
        # By default executors run `python3`, whichever that is; on this machine it can be this one.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return (
        SparkSession.builder.master(master)
        .appName("shortlist")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        # What fails is told once, by us; Spark's log has the stack of every attempt.
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )


def _check_reached(master: str, setting: str) -> None:
    """Spark itself tries for a minute and then fails with the stack of something else."""
    if not master.startswith(_STANDALONE):
        return
    refusals = []
    for address in master.removeprefix(_STANDALONE).split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise EnvironmentFault(f"{setting} = {master!r}: expected spark://HOST:PORT, found {address!r}.")
        try:
            with socket.create_connection((host, int(port)), _REACHED_WITHIN_S):
                return
        except OSError as error:
            refusals.append(f"{address}: {error.strerror or error}")
    raise EnvironmentFault(
        f"no Spark master answers at {master} ({'; '.join(refusals)}). "
        f"Is it running, and may this machine reach it? It is named by {setting}."
    )


@contextlib.contextmanager
def without_pandas_warning() -> Iterator[None]:
    """PySpark warns of pandas 3 whenever it sees it; rows go between Spark and Arrow here, never through pandas."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
        yield
