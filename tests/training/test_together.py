"""Several processes that train together come to what one process comes to, but for rounding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.together import CASES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_and_three_processes_train_as_one(case: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.training.together", str(tmp_path), case]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for weights, figures in json.loads(done.stdout)[case].values():
        assert weights < 1e-5
        assert figures < 1e-5
