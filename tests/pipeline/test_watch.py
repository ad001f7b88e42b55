"""Who looks on while a run is at work hears of its stages and epochs, in order, and of how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shortlist.core.progress import Epoch
from shortlist.pipeline.stages import marker
from shortlist.pipeline.watch import Watched
from tests.pipeline.test_redo import run, tables

__all__ = ["tables"]


class Diary:
    """Writes down what it is told."""

    def __init__(self, stop_at: int = 99) -> None:
        self.lines: list[str] = []
        self.stop_at = stop_at

    @contextlib.contextmanager
    def walk(self, run: Watched) -> Iterator[None]:
        self.lines.append("walk")
        try:
            yield
        except KeyError:
            self.lines.append("broken off")
            raise
        self.lines.append("walked")

    @contextlib.contextmanager
    def stage(self, run: Watched, stage: str) -> Iterator[None]:
        self.lines.append(stage)
        yield
        assert (run.folder / marker(stage)).is_file()

    def epoch(self, run: Watched, stage: str, entry: Epoch) -> None:
        self.lines.append(f"{stage} {entry['epoch']}")
        if entry["epoch"] == self.stop_at:
            raise KeyError


def test_stages_and_epochs_are_told_in_order_and_only_what_is_done(tables: Path, tmp_path: Path) -> None:
    diary, again = Diary(), Diary()
    watched, _ = run(tables, tmp_path / "run", "retrieval.epochs=2")
    replace(watched, watch=diary).walk("train")
    replace(watched, watch=again).walk("train")

    assert diary.lines == ["walk", "prepare", "retrieval", "retrieval 1", "retrieval 2", "walked"]
    assert again.lines == []


def test_a_watch_ends_the_run_and_the_epoch_it_was_told_of_is_kept(tables: Path, tmp_path: Path) -> None:
    stopped, after = Diary(stop_at=1), Diary()
    watched, _ = run(tables, tmp_path / "run", "retrieval.epochs=2")
    with pytest.raises(KeyError):
        replace(watched, watch=stopped).walk("train")
    replace(watched, watch=after).walk("train")

    assert stopped.lines[-2:] == ["retrieval 1", "broken off"]
    assert after.lines == ["walk", "retrieval", "retrieval 2", "walked"]
