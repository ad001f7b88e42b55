"""The session that Spark work is done in, and what is no such session."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from shortlist.cluster.session import spark_application
from shortlist.core.errors import EnvironmentFault

LOST = """
import os, signal
from shortlist.cluster.faults import spark_errors
from shortlist.cluster.session import spark_application, stop
from shortlist.core.errors import EnvironmentFault
started, session = spark_application("local[1]", "--master")
java = session.sparkContext._gateway.proc
os.killpg(java.pid, signal.SIGKILL) if os.getpgid(java.pid) == java.pid else java.kill()
java.wait()
try:
    with spark_errors(EnvironmentFault):
        session.range(3).collect()
except EnvironmentFault as fault:
    print("told:", fault)
stop(session)
print("stopped:", started)
"""


@pytest.mark.integration
def test_spark_connect_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    monkeypatch.setenv("SPARK_REMOTE", "sc://host")
    with pytest.raises(EnvironmentFault, match=r"one of Spark Connect.*Leave SPARK_REMOTE out"):
        spark_application("local[1]", "--master")


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_a_jvm_that_is_gone_is_told_and_counts_as_stopped(pyspark: Any) -> None:
    said = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
    told, stopped = said.stdout.splitlines()
    assert told.startswith("told: ")
    assert stopped == "stopped: True"
