"""Training that is killed at any moment, and begun again by the same command, comes to the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def killed(folder: Path, seed: int, kills_at_random: int) -> dict[str, Any]:
    """Two threads, as the recipe says, whatever this process has."""
    words = [sys.executable, "-m", "tests.pipeline.killed", str(folder), str(seed), str(kills_at_random)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return {**result, "said": done.stderr}


@pytest.mark.slow
def test_killed_while_writing_while_validating_and_at_some_moment(tmp_path: Path) -> None:
    result = killed(tmp_path, seed=0, kills_at_random=1)

    assert result["equal"]
    assert result["kills"] >= 2
    assert "going on from epoch" in result["said"]
    assert result["left"] == [".lock", "prepared", "ranking", "retrieval"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_a_dozen_times(seed: int, tmp_path: Path) -> None:
    result = killed(tmp_path, seed, kills_at_random=10)

    assert result["equal"]
    assert result["kills"] >= 4
    assert result["left"] == [".lock", "prepared", "ranking", "retrieval"]
