"""One process at a time in a folder, and a text that says who the other one is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from shortlist.core.errors import EnvironmentFault
from shortlist.core.lock import in_turn, only_one

HOLDS = "import sys, time; from pathlib import Path; from shortlist.core.lock import only_one\n"
HOLDS += "with only_one(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def test_a_second_process_is_told_who_holds_the_folder_until_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        said = rf"run is in use: process {process.pid} on .* since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d.*--runs"
        with pytest.raises(EnvironmentFault, match=said), only_one(folder):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with only_one(folder):
            pass


def test_it_is_free_again_after_the_block_however_that_ended(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_one(tmp_path):
        1 / 0  # noqa: B018
    with only_one(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    assert (tmp_path / ".lock").read_text() == ""


def test_one_process_may_not_hold_it_twice_either(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(EnvironmentFault, match=f"process {os.getpid()} on"), only_one(tmp_path):
        pass


def test_who_waits_for_a_file_comes_after_who_has_it(tmp_path: Path) -> None:
    order = []

    def wait() -> None:
        with in_turn(tmp_path / "lock"):
            order.append("second")

    with in_turn(tmp_path / "lock"):
        second = threading.Thread(target=wait)
        second.start()
        time.sleep(0.2)
        order.append("first")
    second.join()

    assert order == ["first", "second"]
