"""Every way a command can end: its text and its exit code."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import NoReturn

import pytest

from shortlist.cli.faults import guarded
from shortlist.core.errors import BundleError, DataError, ParityError, RequestError, UserError


def raising(error: BaseException) -> NoReturn:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("no"), 2),
        (DataError("no"), 3),
        (BundleError("no"), 4),
        (RequestError("no"), 5),
        (ParityError("no"), 7),
    ],
)
def test_our_own_errors_are_one_line_and_their_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(lambda: raising(error)) == code
    assert capsys.readouterr() == ("", "shortlist: no\n")


def test_the_code_of_the_work_is_passed_on() -> None:
    assert guarded(lambda: 6) == 6


def test_a_full_disk_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/data/x")

    assert guarded(lambda: raising(full)) == 6
    assert "the disk is full" in capsys.readouterr().err


def test_a_file_that_may_not_be_opened_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied", "/data/ratings.csv")

    assert guarded(lambda: raising(refused)) == 6
    assert "may not open /data/ratings.csv: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["MemoryError", "OutOfMemoryError", "OutOfMemoryException"])
def test_memory_that_ran_out_says_what_to_make_smaller(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    error: Exception = MemoryError() if name == "MemoryError" else type(name, (RuntimeError,), {})("CUDA out of memory")

    assert guarded(lambda: raising(error)) == 6
    said = capsys.readouterr().err
    assert "the memory ran out" in said
    assert "batch_size" in said


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == (
        "interrupted: nothing half-written was kept; run the same command again to go on\n"
    )


def test_a_bug_is_told_from_a_mistake_and_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: raising(ZeroDivisionError("by zero"))) == 1

    said = capsys.readouterr().err
    assert "this is a bug in Shortlist: ZeroDivisionError: by zero" in said
    assert "at faults.py:" in said  # the last frame in our own code
    assert "shortlist doctor" in said
    assert "--debug" in said
    assert "Traceback" not in said


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: raising(ZeroDivisionError("by zero")), debug=True) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(("variable", "shown"), [("1", True), ("0", False), ("", False)])
def test_the_environment_can_ask_for_tracebacks(
    variable: str, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from shortlist.cli.main import main

    monkeypatch.setenv("SHORTLIST_DEBUG", variable)

    assert main(["recommend", "no-such-bundle"]) == 4
    assert ("Traceback" in capsys.readouterr().err) is shown


def test_a_reader_who_has_gone_away_is_no_error() -> None:
    command = [sys.executable, "-m", "shortlist.cli", "data", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert said == ""
    assert process.returncode == 141
