"""What one process reports, another tells, line by line as it comes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shortlist.core.progress import Advance, Epoch
from shortlist.training.launch.relay import Retold, Told

ENTRY = {"epoch": 1, "train_loss": 0.5, "seconds": 1.0, "rows_per_s": 7, "valid": {"auc": 0.75}}


class Kept:
    """Keeps what it is told, and raises at an epoch where it is asked to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.heard: list[Any] = []
        self.error = error

    def say(self, stage: str, message: str) -> None:
        self.heard.append((stage, message))

    @contextlib.contextmanager
    def bar(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        self.heard.append(("bar", stage, total, unit))
        yield lambda units, facts: self.heard.append((units, facts))
        self.heard.append("end")

    def epoch(self, stage: str, entry: Epoch) -> None:
        self.heard.append((stage, entry))
        if self.error is not None:
            raise self.error


def test_everything_is_told_once_and_in_order(tmp_path: Path) -> None:
    heard = Kept()
    retold = Retold(tmp_path / "said", heard)
    retold.catch_up()
    with (tmp_path / "said").open("w") as file:
        told = Told(file)
        with told.bar("ranking", 9, "rows") as advance:
            advance(4, "epoch 1")
            retold.catch_up()
            assert heard.heard == [("bar", "ranking", 9, "rows"), (4, "epoch 1")]
        told.say("ranking", "done")
        told.epoch("ranking", ENTRY)
    retold.catch_up()
    retold.catch_up()

    assert heard.heard[2:] == ["end", ("ranking", "done"), ("ranking", ENTRY)]


def test_half_a_line_waits_for_its_rest(tmp_path: Path) -> None:
    heard, path = Kept(), tmp_path / "said"
    retold = Retold(path, heard)
    path.write_text('["say", "a", "one"]\n["say", "b"')
    retold.catch_up()
    assert heard.heard == [("a", "one")]

    path.write_text('["say", "a", "one"]\n["say", "b", "two"]\n')
    retold.catch_up()
    assert heard.heard == [("a", "one"), ("b", "two")]


def test_a_bar_that_nobody_ended_is_taken_away(tmp_path: Path) -> None:
    heard = Kept()
    (tmp_path / "said").write_text('["bar", "ranking", 9, "rows"]\n')
    retold = Retold(tmp_path / "said", heard)
    retold.catch_up()
    retold.close()

    assert heard.heard[-1] == "end"


def test_whoever_ends_a_training_is_heard(tmp_path: Path) -> None:
    with (tmp_path / "said").open("w") as file:
        Told(file).epoch("ranking", ENTRY)

    with pytest.raises(ArithmeticError):
        Retold(tmp_path / "said", Kept(ArithmeticError())).catch_up()
