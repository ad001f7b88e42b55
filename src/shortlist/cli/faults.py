"""Every way a command can end, as one clear text on standard error and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from shortlist.core.errors import EnvironmentFault, ShortlistError
from shortlist.core.files import disk_errors

BUG = 1
INTERRUPTED = 130
BROKEN_PIPE = 141

_OUT_OF_MEMORY = {"MemoryError", "OutOfMemoryError", "OutOfMemoryException"}
"""Python's, torch's and DuckDB's; told by name, because the command must not import either to know them."""


def guarded(work: Callable[[], int], debug: bool = False) -> int:
    """Call `work`, and say what went wrong if anything did; `debug` adds the traceback."""
    try:
        with disk_errors(Path.cwd() / "the command's output"), _machine_errors():
            code = work()
            sys.stdout.flush()
            return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        _say("interrupted: nothing half-written was kept; run the same command again to go on", debug)
        return INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except ShortlistError as error:
        _say(f"shortlist: {error}", debug)
        return error.exit_code
    except Exception as error:
        _say(_bug_text(error), debug)
        return BUG


@contextlib.contextmanager
def _machine_errors() -> Iterator[None]:
    """Memory that ran out, and files that may not be opened, as faults of the machine."""
    try:
        yield
    except PermissionError as error:
        raise EnvironmentFault(
            f"may not open {error.filename or 'a file'}: {error.strerror}. "
            "Change its permissions, or choose another place."
        ) from error
    except Exception as error:
        if type(error).__name__ not in _OUT_OF_MEMORY:
            raise
        raise EnvironmentFault(
            f"the memory ran out: {str(error) or 'no more could be had'}. Close other programs, or make the work "
            "smaller: --set retrieval.batch_size=512 --set ranking.batch_size=512 --set compute.threads=1"
        ) from error


def _say(text: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(text, file=sys.stderr)


def _bug_text(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if "shortlist" in Path(frame.filename).parts), frames[-1])
    return (
        f"shortlist: this is a bug in Shortlist: {type(error).__name__}: {error}\n"
        f"  at {Path(last.filename).name}:{last.lineno}, in {last.name}\n"
        "  Please report it at the project's issue tracker, with the output of `shortlist doctor` and of the same\n"
        "  command with --debug, which shows the traceback."
    )


def _silence_stdout() -> None:
    """Let Python's last flush of standard output go nowhere instead of failing again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
