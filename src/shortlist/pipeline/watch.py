"""Who looks on while a run is at work: what keeps a record of runs, such as MLflow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from shortlist.core.progress import Epoch, Reporter
from shortlist.data.prepared import Prepared
from shortlist.pipeline.stages import Stage
from shortlist.recipe.sections import Recipe


class Watched(Protocol):
    """What is seen of a run."""

    @property
    def recipe(self) -> Recipe:
        """What it is of."""

    @property
    def folder(self) -> Path:
        """Where its stages leave what they make."""

    @property
    def force(self) -> bool:
        """Whether each stage is done anew."""

    @property
    def reporter(self) -> Reporter:
        """Where it says what it does."""

    @property
    def prepared(self) -> Prepared:
        """The prepared data, once that stage is done."""

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json, once that is measured."""

    def is_done(self, stage: Stage) -> bool:
        """Whether a stage's result is there and of the same inputs."""

    def fingerprint_of(self, stage: Stage) -> str:
        """Of all that a stage's result depends on; the stages before it are done."""


class Watch(Protocol):
    """Told what a run does, as it does it. What it raises ends the run."""

    def walk(self, run: Watched) -> AbstractContextManager[None]:
        """Around all the work of one call of `Run.walk` that has any to do; an error in the block is the run's."""

    def stage(self, run: Watched, stage: Stage) -> AbstractContextManager[None]:
        """Around the work of a stage, which is in the run's folder when the block ends without an error."""

    def epoch(self, run: Watched, stage: Stage, entry: Epoch) -> None:
        """An epoch of a stage is over, and what it has learned is kept."""


class Stopped(Exception):
    """What a watch raises that has seen enough: the run ends here, and nothing has failed."""


class Several:
    """All of these look on; the first one sees each thing begin first and end last."""

    def __init__(self, *watches: Watch) -> None:
        self.watches = watches

    @contextlib.contextmanager
    def walk(self, run: Watched) -> Iterator[None]:
        """Of each."""
        with contextlib.ExitStack() as stack:
            for watch in self.watches:
                stack.enter_context(watch.walk(run))
            yield

    @contextlib.contextmanager
    def stage(self, run: Watched, stage: Stage) -> Iterator[None]:
        """Of each."""
        with contextlib.ExitStack() as stack:
            for watch in self.watches:
                stack.enter_context(watch.stage(run, stage))
            yield

    def epoch(self, run: Watched, stage: Stage, entry: Epoch) -> None:
        """To each."""
        for watch in self.watches:
            watch.epoch(run, stage, entry)


class Unwatched:
    """Nobody looks on."""

    def walk(self, run: Watched) -> AbstractContextManager[None]:
        """Nothing."""
        return contextlib.nullcontext()

    def stage(self, run: Watched, stage: Stage) -> AbstractContextManager[None]:
        """Nothing."""
        return contextlib.nullcontext()

    def epoch(self, run: Watched, stage: Stage, entry: Epoch) -> None:
        """Nothing."""
