"""What a person sees: one line a stage in its column, nothing but lines on a pipe."""

from __future__ import annotations

import io

import pytest

from shortlist.core.progress import Silent, Terminal


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
