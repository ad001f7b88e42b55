"""What a person sees: one line a stage in its column, nothing but lines on a pipe."""

from __future__ import annotations

import io

import pytest

from shortlist.core.progress import Overheard, Renamed, Silent, Terminal


def test_stage_and_message_stand_in_columns() -> None:
    written = io.StringIO()
    Terminal(written).say("prepare", "first [bold]line[/bold]\nsecond")

    assert written.getvalue() == "prepare    first [bold]line[/bold]\n           second\n"


def test_a_bar_on_a_pipe_is_silent() -> None:
    written = io.StringIO()
    with Terminal(written).bar("ranking", 10, "rows") as advance:
        advance(10, "loss 0.5")

    assert written.getvalue().strip() == ""


def test_a_bar_on_a_terminal_shows_facts_and_then_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    written = Screen()
    terminal = Terminal(written)
    with terminal.bar("ranking", 10, "rows") as advance:
        advance(10, "epoch 1/2  loss 0.5")

    assert "epoch 1/2  loss 0.5" in written.getvalue()
    assert "rows/s" in written.getvalue()
    # The last thing done to the bar's line is to erase it.
    assert written.getvalue().endswith("\x1b[2K")


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Silent()
    reporter.say("prepare", "something")
    with reporter.bar("prepare", 1, "rows") as advance:
        advance(1, "a fact")

    assert capsys.readouterr() == ("", "")


EPOCH = {"epoch": 2, "train_loss": 0.25, "seconds": 2.0, "rows_per_s": 1500, "valid": {"auc": 0.75}}


def test_on_a_pipe_each_epoch_is_a_line() -> None:
    written = io.StringIO()
    Terminal(written).epoch("ranking", EPOCH)
    Terminal(written).epoch("ranking", {**EPOCH, "valid": {}})

    assert written.getvalue().splitlines() == [
        "ranking    epoch 2   loss 0.2500   valid auc 0.7500   1,500 rows/s",
        "ranking    epoch 2   loss 0.2500   1,500 rows/s",
    ]


def test_what_is_overheard_is_reported_too() -> None:
    written, heard = io.StringIO(), []
    to = Overheard(Renamed(Terminal(written), "sources/films"), lambda stage, entry: heard.append((stage, entry)))
    to.epoch("retrieval", EPOCH)
    to.say("retrieval", "done")

    assert [line.split()[0] for line in written.getvalue().splitlines()] == ["sources/films", "sources/films"]
    assert heard == [("retrieval", EPOCH)]
