"""Tables that TorchRec parts among processes come to what whole ones come to, but for rounding."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.training.sharding.lost import MOMENTS
from tests.training.sharding.rows import FREQUENT, WAYS
from tests.training.sharding.stages import CASES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("torchrec") is None, reason="TorchRec is not here: see docs/scale.md"),
]
ROOT = Path(__file__).resolve().parents[3]
ROUNDED = {"several_targets": 1e-4}
"""Behind a batch norm some gradients are 0 but for rounding, of which Adagrad makes steps."""


def printed(module: str, *words: str) -> Any:
    command = [sys.executable, "-W", "ignore", "-m", f"tests.training.sharding.{module}", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_rows_learn_as_those_of_a_whole_table(tmp_path: Path) -> None:
    found = printed("rows", str(tmp_path))

    for way in WAYS:
        begun, learned, said, change = found[way]
        assert begun == 0, way
        assert learned < 1e-6, way
        assert said < 1e-6, way
        assert change > 0.1, way
    assert found["moved weight"] == found["moved sum"] == [0, 0]
    # The first rows of a table are the frequent ones: each of three processes has as many of them.
    assert found["learned"] == [FREQUENT / 3] * 3
    # Of the bytes of a whole table, in each of two processes: half of it, its sums, and what the first look-up brings.
    assert max(found["memory"]) < 0.8


def test_a_process_that_is_killed_is_told_as_lost_whatever_another_waits_for(tmp_path: Path) -> None:
    found = printed("lost", str(tmp_path))

    assert sorted(found) == sorted(MOMENTS)
    assert all("does not answer any more" in said for said in found.values())


@pytest.mark.parametrize("case", CASES)
def test_stages_train_as_with_tables_in_memory(case: str, tmp_path: Path) -> None:
    for weights, figures in printed("stages", str(tmp_path), case)[case].values():
        assert weights < ROUNDED.get(case, 1e-5)
        assert figures < ROUNDED.get(case, 1e-5)
