"""A stage to train, as it is told to the processes that train it.

    FOLDER/work.json        the recipe, and where everything else is
           candidates.npy   what the funnel's sources propose, where the ranker's negatives come from there
           progress.jsonl   what the first process reports
           process-0.json   of each process its number in the operating system
           failure-0.json   what a process failed of; blank before
           profile.json     where the first one's time went; empty before, and absent where nobody asks
           logs/            what else the processes say

The folder lies beside the stage's checkpoints, and every process must see it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.core.errors import EnvironmentFault
from shortlist.core.files import read_json, write_json
from shortlist.core.progress import Reporter
from shortlist.core.version import __version__
from shortlist.data.prepared import Prepared
from shortlist.features.rows import Ints
from shortlist.recipe.sections import Recipe, sources_of
from shortlist.schema import Target
from shortlist.training.stages import train_ranking, train_retrieval

_WORK, _CANDIDATES = "work.json", "candidates.npy"


@dataclass(frozen=True, kw_only=True)
class Work:
    """One stage of a recipe, to be trained from prepared data."""

    prepared: Prepared
    recipe: Recipe
    stage: str
    """retrieval, sources/NAME or ranking."""
    folder: Path
    """Where its weights go."""
    checkpoints: Path
    """What was begun before, and left checkpoints here, is gone on with."""
    candidates_UK: Ints | None = None
    """What the funnel's sources propose to each row of the user table, where a ranker's negatives come from there."""
    only: Target | None = None
    """The one target that a ranker is to learn of all."""

    def do(self, reporter: Reporter) -> None:
        """Train it in this process; alone, or with the others that it has been joined with."""
        prepared, recipe, folder, checkpoints = self.prepared, self.recipe, self.folder, self.checkpoints
        if self.stage == "ranking":
            train_ranking(prepared, recipe, folder, checkpoints, reporter, self.candidates_UK, only=self.only)
        else:
            train_retrieval(prepared, recipe, sources_of(recipe)[self.stage], folder, checkpoints, reporter)

    def write(self, place: Path) -> None:
        """Leave it for other processes in a new folder."""
        place.mkdir(parents=True)
        if self.candidates_UK is not None:
            np.save(place / _CANDIDATES, self.candidates_UK)
        paths = {"prepared": self.prepared.folder, "folder": self.folder, "checkpoints": self.checkpoints}
        facts: dict[str, Any] = {
            "recipe": self.recipe.model_dump(mode="json", by_alias=True, exclude_none=True),
            "version": __version__,
            "stage": self.stage,
            "only": None if self.only is None else self.only.name,
            **{name: str(path.absolute()) for name, path in paths.items()},
        }
        write_json(place / _WORK, facts)

    @classmethod
    def read(cls, place: Path) -> Work:
        """What was left in a folder; EnvironmentFault where this host does not see it, or has another version."""
        if not (place / _WORK).is_file():
            raise EnvironmentFault(
                f"this host does not see {place}, where the work lies: only the one that began it does. Let the run's "
                "folder be on a file system that all hosts have, with --runs DIR."
            )
        facts = read_json(place / _WORK)
        if facts["version"] != __version__:
            raise EnvironmentFault(
                f"the host {socket.gethostname()} has shortlist {__version__}, expected the version that began the "
                f"work, {facts['version']}. Install the same one of shortlist[train,spark] on every host; "
                "PYSPARK_PYTHON names the Python."
            )
        recipe = Recipe.model_validate(facts["recipe"])
        prepared = Prepared.open(facts["prepared"], recipe.compute.cache_gib)
        candidates = place / _CANDIDATES
        only = [target for target in prepared.schema.targets if target.name == facts["only"]]
        return cls(
            prepared=prepared,
            recipe=recipe,
            stage=facts["stage"],
            folder=Path(facts["folder"]),
            checkpoints=Path(facts["checkpoints"]),
            candidates_UK=np.load(candidates, mmap_mode="r") if candidates.is_file() else None,
            only=only[0] if only else None,
        )
