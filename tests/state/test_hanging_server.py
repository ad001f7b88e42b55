"""A Redis server that takes connections and answers nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from shortlist.state import StateEvent, StateFault
from shortlist.state.redis_state import RedisState
from tests.state.places import redis_process


def test_a_server_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    with redis_process(tmp_path) as (process, url):
        state = RedisState(url)
        state.append([StateEvent(1, "a", 1000)])
        _stop(process)
        for most_s in (2.0, 0.05, 0.05):  # one waits, and tells the others
            began = time.monotonic()
            with pytest.raises(StateFault):
                state.user(1)
            assert time.monotonic() - began < most_s
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(1.1)
        assert (found := state.user(1)) is not None
        assert found.items == ["a"]
        state.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGSTOP)
    while "T" not in Path(f"/proc/{process.pid}/stat").read_text().split(")")[1].split()[0]:
        time.sleep(0.01)
