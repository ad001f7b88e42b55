"""A run recorded as it works: one MLflow run for the recipe, and below it one for each stage.

What a stage has left is recorded from its files once it is done. So a run that was killed, was recorded by nobody for
a while, or found a stage done before, ends with a whole record all the same.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from shortlist.core.progress import Epoch
from shortlist.core.quiet import quiet_mlflow
from shortlist.pipeline.stages import Stage, stages_upto
from shortlist.pipeline.watch import Stopped, Watched
from shortlist.tracking import figures
from shortlist.tracking.figures import Figures
from shortlist.tracking.record import Record, StageRecord
from shortlist.tracking.store import PARENT, Store, experiment_of

T = TypeVar("T")
ABSENT = (
    "not recorded: MLflow is not installed. pip install 'shortlist[mlflow]' keeps parameters, curves and results of "
    "every run to be compared; --no-tracking leaves this line out"
)


@dataclass
class MlflowWatch:
    """Records a run with MLflow; the run goes on unrecorded where that fails."""

    recipe_file: str | Path | None = None
    """The recipe as it was written, to be kept with the run."""
    parent: str | None = None
    """Id of an MLflow run that this one belongs below, as a trial belongs to its search."""
    name: str | None = None
    """Of the MLflow run; default: the recipe's."""
    _store: Store | None = field(default=None, init=False, repr=False)
    _record: Record | None = field(default=None, init=False, repr=False)
    _lost: bool = field(default=False, init=False, repr=False)
    """Whether MLflow could not be reached: it is not asked again."""
    _steps: set[int] = field(default_factory=set, init=False, repr=False)
    """Epochs of the stage at work that are recorded."""

    @contextlib.contextmanager
    def walk(self, run: Watched) -> Iterator[None]:
        """One MLflow run for all the commands of one recipe in one folder."""
        self._try(run, lambda: self._begin(run))
        with self._ending(run, lambda status: self._end(run, status)):
            yield

    @contextlib.contextmanager
    def stage(self, run: Watched, stage: Stage) -> Iterator[None]:
        """A run of its own below the recipe's."""
        self._try(run, lambda: self._begin_stage(run, stage))
        with self._ending(run, lambda status: self._end_stage(run, stage, status)):
            yield

    def epoch(self, run: Watched, stage: Stage, entry: Epoch) -> None:
        """Figures of the epoch, at once."""
        self._try(run, lambda: self._measure(stage, entry))

    def note(self, run: Watched, found: Figures) -> None:
        """Figures of the whole run, found after its walk."""

        def work() -> None:
            store, record = self._now
            store.measure(record.run_id, found)

        if self._record is not None:
            self._try(run, work)

    def catch_up(self, run: Watched) -> None:
        """Record what is done and not recorded yet, such as what was done while a server could not be reached."""
        record, done = Record.read(run.folder), _done(run)
        if not done or find_spec("mlflow") is None or (record is not None and _is_whole(record, run, done)):
            return
        with self.walk(run):
            pass

    def _try(self, run: Watched, work: Callable[[], T]) -> T | None:
        """Do a part of the recording; where it fails say so once, and record no more."""
        if self._lost:
            return None
        if find_spec("mlflow") is None:
            self._lost = True
            run.reporter.say("tracking", ABSENT)
            return None
        try:
            with quiet_mlflow():
                return work()
        except Exception as error:
            self._lost = True
            said = " ".join(str(error).split())[:300]
            run.reporter.say(
                "tracking",
                f"not recorded from here on, the run goes on: {type(error).__name__}: {said}. When MLflow can be "
                "reached, the same command once more records what is missing",
            )
            return None

    @contextlib.contextmanager
    def _ending(self, run: Watched, end: Callable[[str], None]) -> Iterator[None]:
        """Tell how the block ended."""
        status = "FAILED"
        try:
            yield
            status = "FINISHED"
        except (KeyboardInterrupt, Stopped):
            status = "KILLED"
            raise
        finally:
            self._try(run, lambda: end(status))

    def _begin(self, run: Watched) -> None:
        from shortlist.tracking.about import identity, parameters, tags

        self._store = store = Store.open()
        recipe = identity(run)
        # A forced run is another, but only once: `fit` after a forced `prepare` goes on with it.
        known = self._record or (None if run.force else Record.read(run.folder))
        of_it = known is not None and (known.tracking_uri, known.recipe) == (store.uri, recipe)
        about = tags(run, None if self.recipe_file is None else Path(self.recipe_file))
        if self.parent is not None:
            about[PARENT] = self.parent
        if known is not None and of_it and store.is_there(known.run_id):
            self._record = known
            store.go_on(known.run_id)
            store.tag(known.run_id, about)
        else:
            experiment_id = store.experiment(experiment_of(run.recipe))
            run_id = store.begin(experiment_id, self.name or run.recipe.name, about)
            self._record = Record(store.uri, experiment_id, run_id, recipe)
            self._record.write(run.folder)
        self._keep_recipe(run, parameters(run.recipe))

    def _keep_recipe(self, run: Watched, parameters: dict[str, str]) -> None:
        """What it takes to do the run again."""
        store, record = self._now
        store.describe(record.run_id, parameters)
        recipe = run.recipe.model_dump(mode="json", by_alias=True)
        store.keep_text(record.run_id, json.dumps(recipe, indent=2, ensure_ascii=False), "recipe.json")
        if self.recipe_file is not None:
            store.keep_text(record.run_id, Path(self.recipe_file).read_text("utf-8"), "recipe.toml")

    def _begin_stage(self, run: Watched, stage: Stage) -> None:
        """Go on with the stage's child if it is of the same inputs, or begin one."""
        store, record = self._now
        inputs, known = run.fingerprint_of(stage), record.stages.get(stage)
        self._steps = set()
        if known is not None and known.inputs == inputs and store.is_there(known.run_id):
            store.go_on(known.run_id)
            self._steps = store.steps(known.run_id, "train_loss")
            return
        tags = {PARENT: record.run_id, "shortlist.stage": stage}
        child = store.begin(record.experiment_id, stage, tags)
        record.stages[stage] = StageRecord(child, inputs)
        record.write(run.folder)

    def _measure(self, stage: Stage, entry: Epoch) -> None:
        """Figures of an epoch, unless an earlier process has recorded them."""
        store, record = self._now
        if entry["epoch"] not in self._steps:
            store.measure(record.stages[stage].run_id, figures.of_epoch(entry), entry["epoch"])
            self._steps.add(entry["epoch"])

    def _end_stage(self, run: Watched, stage: Stage, status: str) -> None:
        store, record = self._now
        child = record.stages[stage]
        if status == "FINISHED":
            for entry in figures.curve_of(run.folder, stage):
                self._measure(stage, entry)
            store.measure(child.run_id, figures.of_stage(run.folder, stage))
            if stage == "prepare":
                self._say_which_data(run)
            child.complete = True
            record.write(run.folder)
        store.end(child.run_id, status)

    def _say_which_data(self, run: Watched) -> None:
        store, record = self._now
        manifest = run.prepared.manifest
        sources = list(run.recipe.data.sources.values())
        profile = {name: manifest[name] for name in ("rows", "users", "items")}
        store.learned_from(record.run_id, run.recipe.name, manifest["fingerprint"], {"files": sources}, profile)
        store.tag(record.run_id, {"shortlist.data": manifest["fingerprint"]})

    def _end(self, run: Watched, status: str) -> None:
        """Record what stages have left that were done unrecorded, then the results, and say where all of it is."""
        store, record = self._now
        if status == "FINISHED":
            done = _done(run)
            for stage in done:
                if not _is_complete(record, run, stage):
                    self._begin_stage(run, stage)
                    self._end_stage(run, stage, status)
            if "evaluate" in done and record.results != run.fingerprint_of("evaluate"):
                self._keep_results(run)
        store.end(record.run_id, status)
        run.reporter.say(
            "tracking", f"run {record.run_id} of experiment {experiment_of(run.recipe)}   {_where(store.uri)}"
        )

    def _keep_results(self, run: Watched) -> None:
        from shortlist.tracking.results import keep_results

        store, record = self._now
        keep_results(store, record, run)
        record.results = run.fingerprint_of("evaluate")
        record.write(run.folder)

    @property
    def _now(self) -> tuple[Store, Record]:
        assert self._store is not None
        assert self._record is not None
        return self._store, self._record


def _done(run: Watched) -> list[Stage]:
    """The stages that are done, from the first one on."""
    done = []
    for stage in stages_upto(run.recipe, "evaluate"):
        if not run.is_done(stage):
            break
        done.append(stage)
    return done


def _is_complete(record: Record, run: Watched, stage: Stage) -> bool:
    """Whether what a stage has left is recorded."""
    known = record.stages.get(stage)
    return known is not None and known.complete and known.inputs == run.fingerprint_of(stage)


def _is_whole(record: Record, run: Watched, done: list[Stage]) -> bool:
    """Whether nothing is left to be recorded of what is done."""
    from shortlist.tracking.about import identity

    results = "evaluate" not in done or record.results == run.fingerprint_of("evaluate")
    return record.recipe == identity(run) and results and all(_is_complete(record, run, stage) for stage in done)


def _where(uri: str) -> str:
    """How to look at a store."""
    if not uri.startswith("sqlite:"):
        return f"at {uri}"
    here = uri == f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    return "see it with: mlflow ui" + ("" if here else f" --backend-store-uri {uri}")
