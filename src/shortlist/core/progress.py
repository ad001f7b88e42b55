"""What a person sees while work goes on: one line a stage, and a bar where it takes long."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, str], None]
"""Call with the units done since the last call and a short text of facts, such as a loss."""
Epoch = Mapping[str, Any]
"""An entry of a learning curve: epoch (from 1), train_loss, seconds, rows_per_s, and the metrics under valid."""


class Reporter(Protocol):
    """Where stages say what they do."""

    def say(self, stage: str, message: str) -> None:
        """One finished fact, kept on the screen."""

    def bar(self, stage: str, total: int, unit: str) -> contextlib.AbstractContextManager[Advance]:
        """A progress bar over `total` units that vanishes when the block ends."""

    def epoch(self, stage: str, entry: Epoch) -> None:
        """An epoch of a training is over, and what it has learned is kept."""


class Silent:
    """Says nothing: the Python API's default, and what tests use."""

    def say(self, stage: str, message: str) -> None:
        """Say nothing."""

    @contextlib.contextmanager
    def bar(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        """A bar that shows nothing."""
        yield lambda units, facts: None

    def epoch(self, stage: str, entry: Epoch) -> None:
        """Say nothing."""


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

    def epoch(self, stage: str, entry: Epoch) -> None:
        """The same epoch under the other name."""
        self.to.epoch(self.stage, entry)


class Overheard:
    """Reports as another reporter does, and tells the epochs to somebody else too."""

    def __init__(self, to: Reporter, hear: Callable[[str, Epoch], None]) -> None:
        self.to = to
        self.hear = hear

    def say(self, stage: str, message: str) -> None:
        """The same line."""
        self.to.say(stage, message)

    def bar(self, stage: str, total: int, unit: str) -> contextlib.AbstractContextManager[Advance]:
        """The same bar."""
        return self.to.bar(stage, total, unit)

    def epoch(self, stage: str, entry: Epoch) -> None:
        """The same epoch, to both."""
        self.to.epoch(stage, entry)
        self.hear(stage, entry)


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
        """A bar with rate, facts and the time left; on a pipe rather than a terminal only epochs are told."""
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

    def epoch(self, stage: str, entry: Epoch) -> None:
        """A line of the epoch where there is no bar that showed it: a log of hours should not be empty."""
        if self.console.is_terminal:
            return
        valid = "   ".join(f"valid {name} {value:.4f}" for name, value in entry["valid"].items())
        said = [
            f"epoch {entry['epoch']}",
            f"loss {entry['train_loss']:.4f}",
            valid,
            f"{entry['rows_per_s']:,.0f} rows/s",
        ]
        self.say(stage, "   ".join(part for part in said if part))
