"""`tracking.json` in a run's folder: which MLflow run its work belongs to, so that a later command goes on with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from shortlist.core.files import read_json, write_json
from shortlist.pipeline.stages import Stage

NAME = "tracking.json"


@dataclass
class StageRecord:
    """The child run of one stage."""

    run_id: str
    inputs: str
    """Fingerprint of what the stage depends on: of other inputs it is another child's."""
    complete: bool = False
    """Whether all that the stage has left is recorded."""


@dataclass
class Record:
    """What has been recorded of the run in a folder, and where."""

    tracking_uri: str
    experiment_id: str
    run_id: str
    recipe: str
    """Fingerprint of the recipe and its tables: those of another begin another MLflow run."""
    stages: dict[Stage, StageRecord] = field(default_factory=dict)
    results: str | None = None
    """Fingerprint of the evaluation whose figures, report and bundle are recorded."""
    model: str | None = None
    """Id of the MLflow model that the bundle is recorded as; None where no bundle is."""
    bundle: str | None = None
    """Identity of that bundle (see `bundle.described`): the folder may have another one by now."""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The record of a run's folder; None where there is none that can be read."""
        try:
            found: dict[str, Any] = read_json(folder / NAME)
            stages = {name: StageRecord(**stage) for name, stage in found.pop("stages").items()}
            return cls(**found, stages=stages)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Leave the record in a run's folder."""
        write_json(folder / NAME, asdict(self))
