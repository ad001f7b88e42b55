"""What memory there is, and what is said where it is too little."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.core import memory
from shortlist.core.errors import EnvironmentFault
from shortlist.core.memory import check_memory, machine_memory


def test_the_memory_is_plausible() -> None:
    assert 2**28 < machine_memory() < 2**50


def test_a_control_group_may_allow_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", limit)
    there = machine_memory()
    limit.write_text("max\n")
    assert machine_memory() == there
    limit.write_text("4096\n")
    assert machine_memory() == 4096
    with pytest.raises(EnvironmentFault):
        check_memory(4097, "this", "")


def test_what_memory_cannot_hold_is_said_with_figures() -> None:
    with pytest.raises(EnvironmentFault, match=r"ease over 9 items needs 1,024\.0 GiB .* has .* GiB\. Fewer"):
        check_memory(2**40, "ease over 9 items", "Fewer.")
