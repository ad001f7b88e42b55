"""A search recorded: one MLflow run, below which each trial is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from shortlist.core.files import read_json, write_json
from shortlist.core.progress import Reporter
from shortlist.core.quiet import quiet_mlflow
from shortlist.recipe.sections import Recipe
from shortlist.tracking.figures import named
from shortlist.tracking.record import NAME
from shortlist.tracking.store import Store, experiment_of


@dataclass
class SearchRecord:
    """The MLflow run of a search in a folder, while the block lasts; the search goes on where MLflow fails."""

    folder: Path
    recipe: Recipe
    told: Mapping[str, str]
    """Parameters of the MLflow run."""
    reporter: Reporter | None
    """Who hears where MLflow fails; None where nothing is to be recorded."""
    run_id: str | None = field(default=None, init=False)
    """None while nothing is recorded."""
    _store: Store | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        """Go on with the run that the folder names, or begin one."""
        if self.reporter is not None and find_spec("mlflow") is not None:
            self._try(self._begin)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Say how the search ended."""
        status = "FINISHED" if kind is None else "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
        self._try(lambda: self._end(status))

    def found(self, figures: Mapping[str, float], files: Mapping[str, Path]) -> None:
        """Keep what was found: figures, and files by the name that they have there."""

        def work() -> None:
            if self._store is not None and self.run_id is not None:
                self._store.measure(self.run_id, figures)
                for name, path in files.items():
                    self._store.keep_text(self.run_id, path.read_text("utf-8"), name)

        self._try(work)

    def _begin(self) -> None:
        store = Store.open()
        kept = self.folder / NAME
        known = read_json(kept) if kept.is_file() else {}
        if known.get("tracking_uri") == store.uri and store.is_there(known["run_id"]):
            store.go_on(known["run_id"])
            run_id = known["run_id"]
        else:
            run_id = store.begin(store.experiment(experiment_of(self.recipe)), f"tune {self.recipe.name}", {})
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(kept, {"tracking_uri": store.uri, "run_id": run_id})
        store.describe(run_id, {named(name): value for name, value in self.told.items()})
        self._store, self.run_id = store, run_id

    def _end(self, status: str) -> None:
        if self._store is not None and self.run_id is not None:
            self._store.end(self.run_id, status)

    def _try(self, work: Callable[[], None]) -> None:
        if self.reporter is None:
            return
        try:
            with quiet_mlflow():
                work()
        except Exception as error:
            self.run_id = None
            said = " ".join(str(error).split())[:300]
            self.reporter.say("tracking", f"the search is not recorded, it goes on: {type(error).__name__}: {said}")
