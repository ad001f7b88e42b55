"""A server under measurement: which of its processes answer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.harness import Options
from benchmarks.serve_bundles import shop
from benchmarks.served import serve


@pytest.mark.slow
def test_all_workers_have_loaded_and_none_is_the_parent(tmp_path: Path) -> None:
    bundle = shop(Options(quick=True, work=tmp_path))
    with serve(bundle, tmp_path / "log", workers=2, state="none") as served:
        workers = served.workers()
        parents = subprocess.check_output(["ps", "-o", "ppid=", *map(str, workers)], text=True).split()

    assert len(workers) == 2
    assert set(map(int, parents)) == {served.process.pid}
    assert not {os.getpid(), served.process.pid} & set(workers)
    with serve(bundle, tmp_path / "log", state="none") as served:
        assert served.workers() == [served.process.pid]
