"""A run: the stages of one recipe in one folder, each done once and again only when what it depends on has changed.

    prepared/  <- [data] [schema] [features] [split], the source files
    retrieval/ <- prepared/, [retrieval]
    ranking/   <- prepared/, [ranking], and retrieval/ where its candidates are the negatives
    bundle/    <- prepared/, retrieval/, ranking/, [funnel]
    metrics.json, report.html <- bundle/, [evaluation]

Each leaves the fingerprint of its inputs beside its result; an equal fingerprint means there is nothing to do. The
marker of an earlier stage is such an input, so what is made from a result that was forced anew is made anew as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from shortlist.bundle.read import FunnelSettings
from shortlist.bundle.recommender import Recommender
from shortlist.core.files import file_facts, fingerprint, read_json, sha256, whole_folder, write_json
from shortlist.core.progress import Reporter, Silent
from shortlist.core.version import __version__
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.evaluation.choose import choose_retrieval_weight
from shortlist.evaluation.lists import list_metrics
from shortlist.evaluation.report import write_report
from shortlist.evaluation.runner import evaluate
from shortlist.export.bundle import seal, write_parts
from shortlist.recipe.sections import Recipe
from shortlist.tables.sources import source_files
from shortlist.training.device import set_threads
from shortlist.training.stages import load_ranking, load_retrieval, train_ranking, train_retrieval

Upto = Literal["prepare", "train", "export", "evaluate"]
Stage = Literal["prepare", "retrieval", "ranking", "export", "evaluate"]
_MARKERS: Mapping[Stage, str] = {
    "prepare": "prepared/manifest.json",
    "retrieval": "retrieval/stage.json",
    "ranking": "ranking/stage.json",
    "export": "bundle/manifest.json",
    "evaluate": "metrics.json",
}
"""The last file that a stage writes, with its fingerprint."""
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
    _made: set[Stage] = field(default_factory=set, init=False, repr=False, compare=False)
    """What this run has done itself."""

    def walk(self, upto: Upto = "evaluate") -> None:
        """Do the stages up to one of them, leaving out what is done and unchanged."""
        # A misspelt metric is told before the models train, not after.
        list_metrics(self.recipe.evaluation.metrics)
        self.prepare()
        if upto == "prepare":
            return
        self.train()
        if upto == "train":
            return
        self.export()
        if upto == "evaluate":
            self.evaluate()

    def prepare(self) -> None:
        """Tables to shards."""
        if self._is_done("prepare"):
            return
        prepare(self.recipe, self.folder / "prepared", self.reporter, fingerprint=self._fingerprint("prepare"))
        self._made.add("prepare")
        self.__dict__.pop("prepared", None)

    def train(self) -> None:
        """The models of the recipe's stages."""
        prepared, recipe, say = self.prepared, self.recipe, self.reporter
        if recipe.retrieval is not None:
            self._model("retrieval", lambda folder: train_retrieval(prepared, recipe, folder, say))
        if recipe.ranking is not None:
            retrieval = self.folder / "retrieval" if recipe.retrieval is not None else None
            self._model("ranking", lambda folder: train_ranking(prepared, recipe, folder, say, retrieval))

    def export(self) -> None:
        """Models to a bundle, with the weight between the stages chosen on validation."""
        target = self.folder / "bundle"
        if self._is_done("export"):
            return
        started = time.perf_counter()
        with whole_folder(target) as draft:
            parity, weight = self._write_bundle(draft, started)
        self._made.add("export")
        size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 2**20
        largest = max(parity.values(), default=0.0)
        blend = f"   retrieval weight {weight:g}" if self._has_both else ""
        self.reporter.say(
            "export", f"parity 1,000 rows: largest difference {largest:.0e}{blend}   bundle {size:.1f} MiB"
        )

    def evaluate(self) -> None:
        """The bundle's own funnel on held-out users: metrics.json and report.html."""
        if self._is_done("evaluate"):
            self.reporter.say("report", str(self.folder / "report.html"))
            return
        started = time.perf_counter()
        metrics = evaluate(self.recommender(), self.prepared, self.reporter, settings=self.recipe.evaluation)
        metrics["fingerprint"] = self._fingerprint("evaluate")
        metrics["timings_s"] = {**self._timings(), **metrics.get("timings_s", {})}
        metrics["seconds"] = round(time.perf_counter() - started, 3)
        report = write_report(self.folder, metrics, self.recommender(), self.prepared)
        write_json(self.folder / _MARKERS["evaluate"], metrics)
        self._made.add("evaluate")
        self.reporter.say("report", str(report))

    def recommender(self) -> Recommender:
        """What answers from this run's bundle."""
        return Recommender.load(self.folder / "bundle", threads=set_threads(self.recipe.compute), verify=False)

    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        found: dict[str, Any] = read_json(self.folder / "metrics.json")
        return found

    @cached_property
    def prepared(self) -> Prepared:
        """The prepared data."""
        return Prepared.open(self.folder / "prepared")

    @cached_property
    def fingerprints(self) -> Mapping[Stage, str]:
        """Of each stage the settings and files that its result depends on, beside the stages before it."""
        recipe = self.recipe.model_dump(mode="json", by_alias=True)
        sources = [
            source
            for source in (self.recipe.data.interactions, self.recipe.data.users, self.recipe.data.items)
            if source
        ]
        files = [file_facts(path) for source in sources for path in source_files(source)]
        tables = [recipe[part] for part in ("data", "schema", "features", "split")]
        seen, candidates = recipe["funnel"]["exclude_seen"], recipe["funnel"]["candidates"]
        # Threads and device change how fast a model trains, not what it is.
        depends: Mapping[Stage, list[Any]] = {
            "prepare": [__version__, recipe["seed"], files, *tables, recipe["compute"]["engine"]],
            "retrieval": [recipe["retrieval"], seen],
            "ranking": [recipe["ranking"], seen, candidates if self._ranks_against_candidates else None],
            "export": [recipe["funnel"], recipe["name"]],
            "evaluate": [recipe["evaluation"]],
        }
        return {stage: fingerprint(values) for stage, values in depends.items()}

    @property
    def _stages(self) -> tuple[Stage, ...]:
        """The recipe's stages with a model."""
        stages: dict[Stage, Any] = {"retrieval": self.recipe.retrieval, "ranking": self.recipe.ranking}
        return tuple(stage for stage, section in stages.items() if section is not None)

    @property
    def _has_both(self) -> bool:
        return len(self._stages) == 2

    @property
    def _ranks_against_candidates(self) -> bool:
        """Whether the ranker's negatives come from the retrieval model."""
        choice = self.recipe.ranking.negatives if self.recipe.ranking is not None else None
        return self._has_both and choice is not None and choice.source == "candidates" and choice.sampled > 0

    def _before(self, stage: Stage) -> tuple[Stage, ...]:
        """The stages whose results this one starts from."""
        retrieval: tuple[Stage, ...] = ("retrieval",) if self._ranks_against_candidates else ()
        before: Mapping[Stage, tuple[Stage, ...]] = {
            "prepare": (),
            "retrieval": ("prepare",),
            "ranking": ("prepare", *retrieval),
            "export": ("prepare", *self._stages),
            "evaluate": ("export",),
        }
        return before[stage]

    def _fingerprint(self, stage: Stage) -> str:
        """Of all that the stage's result depends on, the results before it included."""
        results = [sha256(self.folder / _MARKERS[earlier]) for earlier in self._before(stage)]
        return fingerprint([self.fingerprints[stage], results])

    def _model(self, stage: Literal["retrieval", "ranking"], train: Callable[[Path], None]) -> None:
        """Train one stage into its folder, whole or not at all."""
        if self._is_done(stage):
            return
        started = time.perf_counter()
        with whole_folder(self.folder / stage) as draft:
            train(draft)
            write_json(draft / Path(_MARKERS[stage]).name, {**self._facts(stage, started), "version": __version__})
        self._made.add(stage)

    def _write_bundle(self, draft: Path, started: float) -> tuple[dict[str, float], float]:
        """Fill `draft`; the parity gate's differences and the weight between the stages."""
        recipe, prepared = self.recipe, self.prepared
        retrieval = load_retrieval(prepared, recipe, self.folder / "retrieval") if recipe.retrieval else None
        ranking = load_ranking(prepared, recipe, self.folder / "ranking") if recipe.ranking else None
        parity = write_parts(draft, prepared, recipe, retrieval, ranking)
        asked = recipe.funnel.retrieval_weight
        settings = FunnelSettings(
            candidates=recipe.funnel.candidates,
            exclude_seen=recipe.funnel.exclude_seen,
            retrieval_weight=0.0 if isinstance(asked, str) else asked,
            retrieval_history=retrieval.query_inputs.history_length if retrieval else 0,
            ranking_history=ranking.inputs.history_length if ranking else 0,
        )
        self._seal(draft, settings, parity, started)
        if isinstance(asked, str) and self._has_both:
            recommender = Recommender.load(draft, threads=set_threads(recipe.compute), verify=False)
            weight, _ = choose_retrieval_weight(recommender, prepared, WEIGHTS)
            settings = replace(settings, retrieval_weight=weight)
            self._seal(draft, settings, parity, started)
        return parity, settings.retrieval_weight

    def _seal(self, draft: Path, settings: FunnelSettings, parity: dict[str, float], started: float) -> None:
        facts = {**self._facts("export", started), "parity": parity}
        seal(draft, self.recipe, settings, self.prepared.schema, facts)

    def _is_done(self, stage: Stage) -> bool:
        """Whether the stage's result is there and of the same inputs; says so."""
        marker = self.folder / _MARKERS[stage]
        if (self.force and stage not in self._made) or not marker.is_file():
            return False
        if read_json(marker).get("fingerprint") != self._fingerprint(stage):
            return False
        self.reporter.say(stage, "done before, nothing it depends on has changed")
        return True

    def _facts(self, stage: Stage, started: float) -> dict[str, Any]:
        return {"fingerprint": self._fingerprint(stage), "seconds": round(time.perf_counter() - started, 3)}

    def _timings(self) -> dict[str, float]:
        """Seconds of the stages before evaluation, as their markers have them."""
        stages: tuple[Stage, ...] = ("prepare", *self._stages, "export")
        return {stage: float(read_json(self.folder / _MARKERS[stage])["seconds"]) for stage in stages}


def run_stages(recipe: Recipe, folder: Path, reporter: Reporter, upto: Upto = "evaluate", force: bool = False) -> Run:
    """Walk the stages of `recipe` in `folder` up to one of them; returns the run."""
    run = Run(recipe, Path(folder), reporter, force)
    run.walk(upto)
    return run
