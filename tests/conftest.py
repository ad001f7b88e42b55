"""What all tests share: one thread each, and the real data sets where they are."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Read by torch and numpy when they are first imported. Without it every process starts a thread a core, and
# two such processes on a busy machine slow each other down many times over.
for _pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_pool] = "1"
# As `import shortlist` sets it, but tests import torch before.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

# Commands record their runs where they are called, which would be the repository; tests of that turn it on.
os.environ["SHORTLIST_TRACKING"] = "0"

# Whoever starts the tests in the background leaves Ctrl-C ignored, and every process that a test starts inherits that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: wall time on a shared machine says nothing. The same examples each time: a failure repeats.
settings.register_profile("shortlist", deadline=None, derandomize=True)
settings.load_profile("shortlist")

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """`real_data("ml-1m")` is the folder of that data set; where it is absent the test is skipped by name."""
    root = Path(os.environ.get("SHORTLIST_DATA", _REPOSITORY.parent / "shared" / "data"))

    def folder(name: str) -> Path:
        path = root / name
        if not path.is_dir():
            pytest.skip(f"{name} is not here: set SHORTLIST_DATA to the folder that holds it")
        return path

    return folder
