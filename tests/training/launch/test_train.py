"""Where the work of other processes lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shortlist.core.errors import UserError
from shortlist.training.launch.outer import refuse
from shortlist.training.launch.train import _place


def test_each_job_has_a_folder_of_its_own_and_leaves_none_behind(tmp_path: Path) -> None:
    first = _place(tmp_path)
    first.mkdir()
    (tmp_path / "000003").mkdir()
    second = _place(tmp_path)

    assert second != first
    assert [path.name for path in tmp_path.iterdir()] == ["000003"]


def test_a_folder_that_a_file_system_keeps_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As NFS does while a process of another host holds one of its files open."""

    def kept(*_: Any, **__: Any) -> None:
        pass

    first = _place(tmp_path)
    (first / "logs").mkdir(parents=True)
    monkeypatch.setattr("shortlist.core.files.shutil.rmtree", kept)
    second = _place(tmp_path)
    second.mkdir()

    assert not first.exists()
    assert list(second.iterdir()) == []


def test_under_torchrun_one_process_refuses_to_do_what_each_would(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse("shortlist tune")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(UserError, match="torchrun has begun 2 processes, and `shortlist tune` is the work of one"):
        refuse("shortlist tune")
