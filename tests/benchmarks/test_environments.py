"""Environments of the peers: made once for a set of pins, and named with their error when they cannot be."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import environments
from benchmarks.environments import PEERS, CannotInstallError, interpreter, requirements_of


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The requirements of each environment that was made; nothing is installed."""
    calls: list[list[str]] = []

    def create(folder: Path, with_pip: bool) -> None:
        (folder / "bin").mkdir(parents=True)

    def pip(python: Path, lines: list[str]) -> None:
        if "gone" in lines:
            raise CannotInstallError("ERROR: No matching distribution found for gone")
        calls.append(lines)

    monkeypatch.setattr("venv.create", create)
    monkeypatch.setattr(environments, "_pip", pip)
    return calls


def test_an_environment_is_made_once_for_its_requirements(tmp_path: Path, installed: list[list[str]]) -> None:
    listed = tmp_path / "some.txt"
    listed.write_text("# a note\nnumpy==1.26.4  # why\n\ntorch==2.13.0\n")
    first = interpreter("some", tmp_path, requirements=listed)
    assert interpreter("some", tmp_path, requirements=listed) == first
    assert installed == [["numpy==1.26.4", "torch==2.13.0"]]
    listed.write_text("numpy==1.26.4\ntorch==2.12.0\n")
    assert interpreter("some", tmp_path, requirements=listed) != first
    assert len(installed) == 2


def test_one_that_was_cut_short_is_made_again(tmp_path: Path, installed: list[list[str]]) -> None:
    listed = tmp_path / "some.txt"
    listed.write_text("gone\n")
    with pytest.raises(CannotInstallError, match="No matching distribution"):
        interpreter("some", tmp_path, requirements=listed)
    assert list((tmp_path / "environments").iterdir()) == []


def test_the_reason_is_pips_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        said = "WARNING: slow\nERROR: Could not find a version that satisfies the requirement x\nnotice"
        return subprocess.CompletedProcess(command, 1, "", said)

    monkeypatch.setattr("subprocess.run", run)
    (tmp_path / "bin").mkdir()
    with pytest.raises(CannotInstallError, match=r"^ERROR: Could not find a version"):
        environments._pip(tmp_path / "bin" / "python", ["x"])


def test_every_peer_has_pinned_requirements() -> None:
    workers = {path.stem.removeprefix("accuracy_") for path in PEERS.glob("*.py")} - {"__init__", "image_operators"}
    listed = {path.stem: requirements_of(path) for path in PEERS.glob("*.txt")}
    assert workers <= listed.keys()
    loose = [line for lines in listed.values() for line in lines if "==" not in line and not line.startswith("setup")]
    assert loose == []
