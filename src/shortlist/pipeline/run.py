"""A run: the stages of one recipe in one folder, each done once and again only when what it depends on has changed.

Each stage leaves the fingerprint of its inputs beside its result; an equal fingerprint means there is nothing to do.
The marker of an earlier stage is such an input, so what is made from a result that was forced anew is made anew too.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from shortlist.bundle.change_rules import change_rules
from shortlist.bundle.parity_sample import take_sample
from shortlist.bundle.profile import PROFILE, profile_to_json
from shortlist.bundle.read import FunnelSettings
from shortlist.bundle.recommender import Recommender
from shortlist.bundle.sample import SAMPLE
from shortlist.core.files import (
    clear_unfinished,
    fingerprint,
    link_or_copy,
    read_json,
    remove_folder,
    sha256,
    whole_folder,
    write_json,
)
from shortlist.core.lock import only_one
from shortlist.core.profile import span
from shortlist.core.progress import Overheard, Reporter, Silent
from shortlist.core.threads import cpu_threads
from shortlist.core.version import __version__
from shortlist.data.held_out import seen_note
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.evaluation.calibrate import choose_calibrations
from shortlist.evaluation.choose import choose_retrieval_weight
from shortlist.evaluation.lists import list_metrics
from shortlist.evaluation.profile import measure_profile
from shortlist.evaluation.report import write_report
from shortlist.evaluation.runner import evaluate
from shortlist.features.rows import Ints
from shortlist.funnel.calibration import calibration_to_json
from shortlist.pipeline.sources import check_sources, copy_sources, index_sources, open_trained, train_source
from shortlist.pipeline.stages import Stage, Upto, before, depends, marker, stages_upto, unseen_tables
from shortlist.pipeline.times import Times
from shortlist.pipeline.watch import Unwatched, Watch
from shortlist.recipe.rules import Rules
from shortlist.recipe.sections import Recipe, sources_of

WEIGHTS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Grid of `funnel.retrieval_weight = "auto"`."""


@dataclass(frozen=True)
class Run:
    """The stages of `recipe` in `folder`."""

    recipe: Recipe
    folder: Path
    reporter: Reporter = field(default_factory=Silent)
    force: bool = False
    """Do every stage again, once."""
    times: Times | None = None
    """Where to record what took how long."""
    watch: Watch = field(default_factory=Unwatched)
    """Who looks on."""
    _made: set[Stage] = field(default_factory=set, init=False, repr=False, compare=False)
    """What this run has done itself."""
    _fingerprints: dict[Stage, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def walk(self, upto: Upto = "evaluate") -> None:
        """Do the stages up to one of them, leaving out what is done and unchanged.

        EnvironmentFault when another process is at work in the folder; where nothing is left to do nobody need wait.
        """
        # A misspelt metric is told before the models train, not after.
        list_metrics(self.recipe.evaluation.metrics)
        stages = stages_upto(self.recipe, upto)
        done = all(self.is_done(stage) for stage in stages)
        threads = cpu_threads(self.recipe.compute.threads)
        with contextlib.nullcontext() if done else self._at_work(), threadpool_limits(threads, "blas"):
            for stage in stages:
                self._do(stage)
                if stage == "prepare":
                    self._check()

    def recommender(self) -> Recommender:
        """What answers from this run's bundle."""
        return self._load(self.folder / "bundle")

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        found: dict[str, Any] = read_json(self.folder / "metrics.json")
        return found

    def share(self, other: Path) -> None:
        """Take the stages up to training that the run in another folder has of the same inputs, without a second copy.

        What is done here stays. The files get a second name: what either run does anew later leaves the other alone.
        Nobody may be at work in the other folder meanwhile.
        """
        with only_one(self.folder):
            for stage in stages_upto(self.recipe, "train"):
                inputs_are_here = all((self.folder / marker(stage)).is_file() for stage in before(self.recipe, stage))
                if inputs_are_here and not self.is_done(stage) and self._has(stage, other):
                    source, target = ((folder / marker(stage)).parent for folder in (other, self.folder))
                    with whole_folder(target) as draft:
                        shutil.copytree(source, draft, copy_function=_linked, dirs_exist_ok=True)

    @cached_property
    def prepared(self) -> Prepared:
        """The prepared data."""
        return Prepared.open(self.folder / "prepared", self.recipe.compute.cache_gib)

    def fingerprint_of(self, stage: Stage) -> str:
        """Of all that the stage's result depends on, the results before it included."""
        results = [sha256(self.folder / marker(earlier)) for earlier in before(self.recipe, stage)]
        return fingerprint([self._own_fingerprint(stage), results])

    def is_done(self, stage: Stage) -> bool:
        """Whether the stage's result is there and of the same inputs."""
        return (not self.force or stage in self._made) and self._has(stage, self.folder)

    def negatives(self) -> Ints | None:
        """What the trained sources propose to each user, where the ranker's negatives come from there."""
        from shortlist.training.candidates import negatives_of_users

        with span("candidates"):
            source = open_trained(self.prepared, self.recipe, self.folder)
            return negatives_of_users(self.prepared, self.recipe, source, self.reporter)

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Alone in the folder, and watched."""
        with self._alone(), self.watch.walk(self):
            yield

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder, rid of what killed processes left in it."""
        with only_one(self.folder):
            clear_unfinished(self.folder)
            for scratch in self.folder.glob(".tables-*"):
                shutil.rmtree(scratch, ignore_errors=True)
            yield

    def _do(self, stage: Stage) -> None:
        """One stage, unless it is done and unchanged."""
        if self.is_done(stage):
            self.reporter.say(stage, self._done_before(stage))
            if stage == "evaluate":
                self.reporter.say("report", str(self.folder / "report.html"))
            return
        work: Mapping[Stage, Callable[[], None]] = {
            "prepare": self._prepare,
            "export": self._export,
            "evaluate": self._evaluate,
        }
        with contextlib.nullcontext() if self.times is None else self.times.of(stage), self.watch.stage(self, stage):
            work.get(stage, partial(self._train, stage))()
        self._made.add(stage)

    def _done_before(self, stage: Stage) -> str:
        unseen = unseen_tables(self.recipe) if stage == "prepare" else []
        if not unseen:
            return "done before, nothing it depends on has changed"
        return f"done before; --force reads {', '.join(unseen)} again, whose changes are not seen from here"

    def _prepare(self) -> None:
        """Tables to shards."""
        prepare(self.recipe, self.folder / "prepared", self.reporter, fingerprint=self.fingerprint_of("prepare"))
        self.__dict__.pop("prepared", None)
        if note := seen_note(self.prepared, self.recipe):
            self.reporter.say("prepare", note)

    def _train(self, stage: Stage) -> None:
        """Train one stage into its folder, whole or not at all, going on from what a killed process has saved of it."""
        started = time.perf_counter()
        checkpoints = partial(self._checkpoints, stage)
        reporter = Overheard(self.reporter, partial(self.watch.epoch, self))
        with whole_folder(self.folder / stage) as draft:
            if stage == "ranking":
                found = self._train_ranking(draft, checkpoints(), reporter)
            else:
                found = train_source(self.prepared, self.recipe, stage, draft, checkpoints, reporter)
            facts = {**self._facts(stage, started), "version": __version__, **found}
            write_json(draft / Path(marker(stage)).name, facts)
        remove_folder(checkpoints_folder(self.folder / stage))

    def _train_ranking(self, draft: Path, checkpoints: Path, reporter: Reporter) -> dict[str, Any]:
        with span("import"):
            from shortlist.training.launch.train import train
            from shortlist.training.launch.work import Work

        work = Work(
            prepared=self.prepared,
            recipe=self.recipe,
            stage="ranking",
            folder=draft,
            checkpoints=checkpoints,
            candidates_UK=self.negatives(),
        )
        train(work, reporter)
        return {}

    def _checkpoints(self, stage: Stage) -> Path:
        """Where the stage's checkpoints go; those of other inputs are removed."""
        return checkpoints_of(self.folder / stage, self.fingerprint_of(stage), partial(self.reporter.say, stage))

    def _check(self) -> None:
        """A source or a rule that does not fit is told before the models train, too."""
        check_sources(self.prepared, self.recipe)
        if self.recipe.rules != Rules():
            from shortlist.export.attributes import check_rules

            check_rules(self.prepared, self.recipe)

    def _export(self) -> None:
        """Models to a bundle, with the weight between the stages chosen on validation."""
        target = self.folder / "bundle"
        started = time.perf_counter()
        with whole_folder(target) as draft:
            parity, weight = self._write_bundle(draft, started)
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 2**20
        largest = max(parity.values(), default=0.0)
        blend = f"   retrieval weight {weight:g}" if self._has_both else ""
        self.reporter.say(
            "export", f"parity 1,000 rows: largest difference {largest:.0e}{blend}   bundle {size:.1f} MiB"
        )

    def _evaluate(self) -> None:
        """The bundle's own funnel on held-out users: metrics.json and report.html."""
        started = time.perf_counter()
        with span("evaluate"):
            metrics = evaluate(self.recommender(), self.prepared, self.reporter, settings=self.recipe.evaluation)
            metrics["fingerprint"] = self.fingerprint_of("evaluate")
            metrics["timings_s"] = {**self._timings(), **metrics.get("timings_s", {})}
            metrics["seconds"] = round(time.perf_counter() - started, 3)
            report = write_report(self.folder, metrics, self.recommender(), self.prepared)
            write_json(self.folder / marker("evaluate"), metrics)
        self.reporter.say("report", str(report))

    @property
    def _has_both(self) -> bool:
        return self.recipe.retrieval is not None and self.recipe.ranking is not None

    def _parity_of_sources(self) -> dict[str, float]:
        """The parity gate's largest difference of each source that has towers."""
        facts = {stage: read_json(self.folder / marker(stage)) for stage in sources_of(self.recipe)}
        return {
            f"{stage}/{tower}": difference
            for stage, found in facts.items()
            for tower, difference in found.get("parity", {}).items()
        }

    def _write_bundle(self, draft: Path, started: float) -> tuple[dict[str, float], float]:
        """Fill `draft`; the parity gate's differences and the weight between the stages."""
        with span("import"):
            from shortlist.export.bundle import write_parts
            from shortlist.training.stages import load_ranking

        recipe, prepared = self.recipe, self.prepared
        ranking = load_ranking(prepared, recipe, self.folder / "ranking") if recipe.ranking else None
        with span("export"):
            copy_sources(recipe, self.folder, draft)
            parity = {**self._parity_of_sources(), **write_parts(draft, prepared, recipe, ranking)}
            facts = {"parity": parity, "index": index_sources(prepared, recipe, draft, self.reporter)}
        asked = recipe.funnel.retrieval_weight
        settings = FunnelSettings(
            candidates=recipe.funnel.candidates,
            exclude_seen=recipe.funnel.exclude_seen,
            retrieval_weight=0.0 if isinstance(asked, str) else asked,
            ranking_history=ranking.inputs.history_length if ranking else 0,
        )
        self._seal(draft, settings, facts, started)
        if recipe.rules != Rules():
            change_rules(draft, recipe.rules)
        for choose in (self._calibrated, self._weighted):
            with span("evaluate"):
                chosen = choose(draft, settings)
            if chosen != settings:
                settings = chosen
                self._seal(draft, settings, facts, started)
        with span("evaluate"):
            recommender = self._load(draft)
            sample, profile = take_sample(recommender), measure_profile(recommender, prepared)
        write_json(draft / SAMPLE, sample)
        if profile is not None:
            write_json(draft / PROFILE, profile_to_json(profile))
        self._seal(draft, settings, facts, started)
        return parity, settings.retrieval_weight

    def _calibrated(self, draft: Path, settings: FunnelSettings) -> FunnelSettings:
        """The settings with the recipe's calibration of the ranker in `draft`."""
        method = "none" if self.recipe.ranking is None else self.recipe.ranking.calibration
        if method == "none":
            return settings
        found = choose_calibrations(self._load(draft), self.prepared, method, self.reporter)
        as_json = {name: calibration_to_json(calibration) for name, calibration in found.items()}
        return replace(settings, calibration=as_json)

    def _weighted(self, draft: Path, settings: FunnelSettings) -> FunnelSettings:
        """The settings with the weight of the retrieval score, where the recipe leaves it to validation."""
        if not (isinstance(self.recipe.funnel.retrieval_weight, str) and self._has_both):
            return settings
        weight, _ = choose_retrieval_weight(self._load(draft), self.prepared, WEIGHTS)
        return replace(settings, retrieval_weight=weight)

    def _seal(self, draft: Path, settings: FunnelSettings, facts: dict[str, Any], started: float) -> None:
        from shortlist.export.bundle import seal

        with span("export"):
            seal(draft, self.recipe, settings, self.prepared.schema, {**self._facts("export", started), **facts})

    def _load(self, bundle: Path) -> Recommender:
        return Recommender.load(bundle, threads=cpu_threads(self.recipe.compute.threads), verify=False)

    def _own_fingerprint(self, stage: Stage) -> str:
        """Of settings and source files, as they were when first asked for."""
        if stage not in self._fingerprints:
            self._fingerprints[stage] = fingerprint(depends(self.recipe, stage))
        return self._fingerprints[stage]

    def _has(self, stage: Stage, folder: Path) -> bool:
        """Whether a folder has the stage's result of this run's inputs."""
        left = folder / marker(stage)
        return left.is_file() and bool(read_json(left).get("fingerprint") == self.fingerprint_of(stage))

    def _facts(self, stage: Stage, started: float) -> dict[str, Any]:
        return {"fingerprint": self.fingerprint_of(stage), "seconds": round(time.perf_counter() - started, 3)}

    def _timings(self) -> dict[str, float]:
        """Seconds of the stages before evaluation, as their markers have them."""
        stages = stages_upto(self.recipe, "export")
        return {stage: float(read_json(self.folder / marker(stage))["seconds"]) for stage in stages}


def run_stages(
    recipe: Recipe,
    folder: Path,
    reporter: Reporter,
    upto: Upto = "evaluate",
    *,
    force: bool = False,
    times: Times | None = None,
) -> Run:
    """Walk the stages of `recipe` in `folder` up to one of them; returns the run."""
    run = Run(recipe, Path(folder), reporter, force, times)
    run.walk(upto)
    return run


def _linked(source: str, target: str) -> None:
    link_or_copy(Path(source), Path(target))


def checkpoints_folder(trained: Path) -> Path:
    """Where the training of the folder `trained` leaves its checkpoints, below the fingerprint of its inputs."""
    return trained.with_name(f".{trained.name}.training")


def checkpoints_of(trained: Path, inputs: str, say: Callable[[str], None]) -> Path:
    """The folder of checkpoints of these inputs; those of others are removed."""
    mine = checkpoints_folder(trained) / inputs
    others = [path for path in mine.parent.glob("*") if path != mine]
    for path in others:
        remove_folder(path)
    if others:
        say("begun before with other settings or data: its checkpoints were removed")
    return mine
