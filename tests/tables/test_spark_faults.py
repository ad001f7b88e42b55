"""What goes wrong on a cluster, told as a fault of its hosts, and not of the tables that were to be read."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError, EnvironmentFault

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_rows_that_the_driver_does_not_see_are_missed(
    spark_session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shortlist.tables.spark import Spark

    def elsewhere(engine: Spark, action: Callable[[], Any]) -> Any:
        found = action()
        for part in sorted((tmp_path / "scratch").glob("*/part-*.parquet"))[:1]:
            part.unlink()
        return found

    pq.write_table(pa.table({"x": range(5_000)}), tmp_path / "a.parquet", row_group_size=500)
    with contextlib.closing(Spark("local[2]", 2, tmp_path / "scratch")) as engine:
        table = engine.read(str(tmp_path / "a.parquet"))
        monkeypatch.setattr(Spark, "_watched", elsewhere)
        with pytest.raises(EnvironmentFault, match=r"wrote 5,000 rows into .*, and the driver sees [\d,]+ of them"):
            list(engine.batches(table, rows=1_000))


def test_a_jvm_that_is_gone_keeps_nothing(spark_session: Any, tmp_path: Path) -> None:
    from shortlist.tables.spark import Spark

    class Gone:
        def unpersist(self) -> None:
            raise ConnectionRefusedError

    engine = Spark("local[2]", 2, tmp_path / "scratch")
    engine._cached.append(cast("Any", Gone()))
    engine.close()


@pytest.mark.parametrize(
    "why",
    [
        "No space left on device",
        "ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: exited with code 137",
        'Cannot run program "/opt/python": error=2, No such file or directory',
        "[Errno 111] Connection refused",
        "Total size of serialized results of 12 tasks (1.1 GiB) is bigger than spark.driver.maxResultSize (1024.0 MiB)",
    ],
)
def test_a_fault_of_a_host_is_not_one_of_the_tables(why: str) -> None:
    from shortlist.tables.spark import _fault

    assert isinstance(_fault("log.parquet", why), EnvironmentFault)
    assert "spark.local.dir" in str(_fault("log.parquet", why))
    assert isinstance(_fault("log.parquet", "[CAST_INVALID_INPUT] the value 'connect' cannot be cast"), DataError)


def test_a_disk_that_is_too_small_for_what_is_shuffled_is_told(pyspark: Any, small_disk: Path, tmp_path: Path) -> None:
    """In an application of its own, whose scratch is that disk."""
    rows = np.arange(50_000)
    pq.write_table(pa.table({"u": rows * 7 % 997, "i": rows * 11 % 89, "t": rows}), tmp_path / "log.parquet")
    (tmp_path / "full.toml").write_text(
        '[data]\ninteractions = "log.parquet"\n[schema]\nuser_id = "u"\nitem_id = "i"\ntimestamp = "t"\n'
        '[compute]\nengine = "spark"\nspark_master = "local[2]"\n'
    )
    found = subprocess.run(
        [sys.executable, "-m", "shortlist.cli", "prepare", "full.toml", "--no-tracking"],
        cwd=tmp_path,
        env={**os.environ, "SPARK_LOCAL_DIRS": str(small_disk), "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = found.stderr.splitlines()[-1]

    assert found.returncode == EnvironmentFault.exit_code, found.stderr
    assert told.startswith("shortlist: Spark could not work on ")
    assert "No space left on device. Look at its hosts: their disks (spark.local.dir " in told
    assert not list(tmp_path.glob("runs/full/prepared"))


def test_what_spark_cannot_read_is_told_in_a_line(spark_session: Any, tmp_path: Path) -> None:
    from shortlist.tables.spark import Spark

    (tmp_path / "a.jsonl").write_text('{"user": 1}\nnot json\n')
    with contextlib.closing(Spark("local[2]", 2, tmp_path / "scratch")) as engine:
        with pytest.raises(DataError, match=r"cannot read .*a\.jsonl: .*Malformed records") as raised:
            engine.to_arrow(engine.read(str(tmp_path / "a.jsonl")))
        assert len(str(raised.value).splitlines()) == 1
