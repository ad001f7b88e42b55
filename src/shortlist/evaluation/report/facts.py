"""Everything a report is made of, gathered once; sections only show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.bundle.recommender import Recommender
from shortlist.core.files import read_json
from shortlist.data.prepared import Prepared
from shortlist.evaluation.report.examples import Example, examples
from shortlist.recipe.sections import sources_of
from shortlist.schema import Split

Metrics = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about one run."""

    metrics: Metrics
    """The content of metrics.json."""
    recipe: Mapping[str, Any]
    """The recipe as JSON values, with all settings of its models."""
    manifest: Metrics
    """Of the prepared data: rows, users, items, split and audit."""
    curves: Mapping[str, Sequence[Metrics]]
    """By stage that was validated its learning curve, an entry an epoch."""
    examples: Sequence[Example]
    created: str
    """When the bundle was written, ISO 8601."""

    @property
    def stages(self) -> Metrics:
        """By stage its measured metrics."""
        found: Metrics = self.metrics["stages"]
        return found

    @property
    def protocol(self) -> Metrics:
        """How it was measured."""
        found: Metrics = self.metrics["protocol"]
        return found

    @property
    def has_lists(self) -> bool:
        """Whether lists were measured, and not a ranker on rows alone."""
        return "funnel" in self.stages

    def value(self, stage: str, metric: str | None) -> float | None:
        """A measured value; None where it was not measured."""
        measured = self.stages.get(stage, {}).get(metric)
        return None if measured is None else measured["value"]


def gather(folder: Path, metrics: Metrics, recommender: Recommender, prepared: Prepared) -> Facts:
    """Facts of the run in `folder`."""
    # It brings torch, which a run with nothing left to do never needs.
    from shortlist.models.catalogue import all_settings

    bundle = recommender.bundle
    split = Split[metrics["protocol"]["split"].upper()]
    paths = {stage: folder / stage / "history.json" for stage in (*sources_of(bundle.recipe), "ranking")}
    curves = {stage: read_json(path) for stage, path in paths.items() if path.is_file()}
    return Facts(
        metrics=metrics,
        recipe=all_settings(bundle.recipe),
        manifest=prepared.manifest,
        curves={stage: curve for stage, curve in curves.items() if curve[0]["valid"]},
        examples=examples(recommender, prepared, split) if "funnel" in metrics["stages"] else (),
        created=bundle.manifest["created"],
    )
