"""What a process reports, told by another: lines of JSON in a file that both see."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from shortlist.core.progress import Advance, Epoch, Reporter


class Told:
    """Reports into a file."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def say(self, stage: str, message: str) -> None:
        """A line of it."""
        self._tell("say", stage, message)

    @contextlib.contextmanager
    def bar(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        """A line as it begins, one for each advance, and one as it ends."""
        self._tell("bar", stage, total, unit)
        try:
            yield lambda units, facts: self._tell("advance", units, facts)
        finally:
            self._tell("end")

    def epoch(self, stage: str, entry: Epoch) -> None:
        """A line of it."""
        self._tell("epoch", stage, dict(entry))

    def _tell(self, what: str, *said: Any) -> None:
        self.file.write(json.dumps([what, *said]) + "\n")
        self.file.flush()


class Retold:
    """Reads such a file as it grows, and reports what it says."""

    def __init__(self, path: Path, to: Reporter) -> None:
        self.path = path
        self.to = to
        self._read = 0
        self._bar = ExitStack()
        self._advance: Advance = lambda units, facts: None

    def catch_up(self) -> None:
        """Report what is new. What the reporter raises, such as the end of a trial, is raised."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            file.seek(self._read)
            for line in iter(file.readline, ""):
                # The rest of a line that is being written comes next time.
                if not line.endswith("\n"):
                    return
                self._read = file.tell()
                self._report(*json.loads(line))

    def close(self) -> None:
        """Take away a bar that nobody ended."""
        self._bar.close()

    def _report(self, what: str, *said: Any) -> None:
        match what:
            case "say":
                self.to.say(*said)
            case "epoch":
                self.to.epoch(*said)
            case "bar":
                self._bar.close()
                self._advance = self._bar.enter_context(self.to.bar(*said))
            case "advance":
                self._advance(*said)
            case "end":
                self._bar.close()
