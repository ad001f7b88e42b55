"""Contestants: loaded processes that take turns, and are named with their error when they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.contestant import Contestant, ContestantError, Field
from benchmarks.environments import CannotInstallError
from benchmarks.harness import Options

PEER = "tests.benchmarks.peer"


def _start(tmp_path: Path, **settings: object) -> Contestant:
    return Contestant("peer", Path(sys.executable), PEER, settings, tmp_path / "peer.log")


def test_a_worker_answers_and_keeps_its_prints_off_the_answers(tmp_path: Path) -> None:
    with _start(tmp_path) as peer:
        assert peer.ask("add", left=2, right=3)["sum"] == 5
        assert peer.rate("add", left=0, right=0) == 5.0
        memory = peer.ask("memory")
        assert memory["peak"] >= memory["now"] > 0
        assert peer.ask("versions") == {"pytest": pytest.__version__}
    said = (tmp_path / "peer.log").read_text()
    assert "adding" in said
    assert "half a line" in said


def test_a_failure_is_told_in_one_line(tmp_path: Path) -> None:
    with _start(tmp_path) as peer, pytest.raises(ContestantError, match=r"^KeyError: 'column'$"):
        peer.ask("fail")


def test_a_worker_that_dies_is_told_by_its_last_words(tmp_path: Path) -> None:
    with _start(tmp_path) as peer, pytest.raises(ContestantError, match=r"exit code 3: ImportError: libgone.so"):
        peer.ask("die")


def test_a_worker_that_cannot_begin_says_why(tmp_path: Path) -> None:
    with pytest.raises(ContestantError, match="ValueError: no such data"):
        _start(tmp_path, refuses=True)


def test_peers_that_are_not_to_be_had_are_named_and_do_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(peer: str, work: Path) -> Path:
        raise CannotInstallError(f"ERROR: No matching distribution found for {peer}")

    monkeypatch.setattr("benchmarks.contestant.interpreter", refuse)
    with Field(Options(work=tmp_path)) as field:
        field.add("gone", PEER, {}, peer="gone")
        field.add("refuses", PEER, {"refuses": True})
        field.add("here", PEER, {})
        assert list(field.there) == ["here"]
        assert field.ask_all("add", ["here"], left=1, right=1)["here"]["sum"] == 2
        assert field.ask_all("fail", ["here"]) == {}
        assert field.absent == {
            "gone": "ERROR: No matching distribution found for gone",
            "refuses": "ValueError: no such data",
            "here": "KeyError: 'column'",
        }
