"""What a person sees while work goes on: one line a stage, and a bar where it takes long."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, str], None]
"""Call with the units done since the last call and a short text of facts, such as a loss."""


class Reporter(Protocol):
    """Where stages say what they do."""

    def say(self, stage: str, message: str) -> None:
        """One finished fact, kept on the screen."""

    def bar(self, stage: str, total: int, unit: str) -> contextlib.AbstractContextManager[Advance]:
        """A progress bar over `total` units that vanishes when the block ends."""


class Silent:
    """Says nothing: the Python API's default, and what tests use."""

    def say(self, stage: str, message: str) -> None:
        """Say nothing."""

    @contextlib.contextmanager
    def bar(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        """A bar that shows nothing."""
        yield lambda units, facts: None


class Renamed:
    """Reports work under another name than its own."""

    def __init__(self, to: Reporter, stage: str, prefix: str = "") -> None:
        self.to = to
        self.stage = stage
        self.prefix = prefix

    def say(self, stage: str, message: str) -> None:
        """The same line under the other name, after the prefix."""
        self.to.say(self.stage, self.prefix + message)

    def bar(self, stage: str, total: int, unit: str) -> contextlib.AbstractContextManager[Advance]:
        """The same bar under the other name."""
        return self.to.bar(self.stage, total, unit)


class Terminal:
    """Lines and bars on standard error, so that standard output stays free for what a program reads."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.console = Console(file=file or sys.stderr, highlight=False, soft_wrap=True)

    def say(self, stage: str, message: str) -> None:
        """Print `stage` in its column and the message beside it."""
        first, *rest = message.split("\n")
        self.console.print(f"{stage:<10} {first}", markup=False)
        for line in rest:
            self.console.print(f"{'':<10} {line}", markup=False)

    @contextlib.contextmanager
    def bar(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        """A bar with rate, facts and the time left; on a pipe rather than a terminal it stays silent."""
        columns = (
            TextColumn(f"{stage:<10}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[facts]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(stage, total=total, facts="", rate="")

            def advance(units: int, facts: str) -> None:
                speed = progress.tasks[task].speed
                progress.update(task, advance=units, facts=facts, rate=f"{speed or 0:,.0f} {unit}/s")

            yield advance
