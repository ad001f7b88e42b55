"""The gate before the champion's place: whether a challenger is better, on the same users where they are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import BundleError, DataError, UserError
from shortlist.core.progress import Reporter
from shortlist.data.prepared import Prepared
from shortlist.evaluation.paired import Comparison, Contender, Measure, compare
from shortlist.metrics._interval import Estimate
from shortlist.schema import Split
from shortlist.tracking.registry import Registry, Version


@dataclass(frozen=True)
class Verdict:
    """What the gate says."""

    comparison: Comparison
    """The champion first, the challenger second."""
    paired: bool
    """Whether both were measured on the same users: else each on the test of its own data, of its own time."""

    @property
    def passes(self) -> bool:
        """Better on the same users; on others, where data have changed as well, not worse.

        Where no interval is known the value alone decides: at least as good.
        """
        if not self.comparison.has_interval:
            return self.comparison.at_least_as_good
        return self.comparison.better if self.paired else not self.comparison.worse

    @property
    def expected(self) -> str:
        """What passes, in words."""
        if not self.comparison.has_interval:
            return "at least as good, for no interval is known"
        return "better by more than the interval" if self.paired else "not worse by more than the interval"

    def __str__(self) -> str:
        one = self.comparison
        margin = f"± {(one.difference.high - one.difference.low) / 2:.4f}" if one.has_interval else "(no interval)"
        of = "on the same test users" if self.paired else "each on the test of its own data"
        return (
            f"{one.measure.name}: champion {one.first:.4f}, challenger {one.second:.4f}, difference "
            f"{one.difference.value:+.4f} {margin}, {of}"
        )


def judge(registry: Registry, champion: Version, challenger: Version, measure: Measure, reporter: Reporter) -> Verdict:
    """Compare two versions: on the same held-out users where their runs are here and have such, else by metrics.json.

    A run whose prepared data are of later tables than its bundle has such no more.

    Raises:
        UserError: a version without that metric, or without metrics.json.
    """
    if champion.is_here and challenger.is_here:
        try:
            first, second = (_contender(version.folder) for version in (champion, challenger))
            (found,) = compare(first, second, [measure], Split.TEST, reporter)
            return Verdict(found, paired=True)
        except (DataError, BundleError) as error:
            reporter.say("promote", f"not on the same users: {error}")
    first_metric, second_metric = (_measured(registry, version, measure) for version in (champion, challenger))
    return Verdict(_unpaired(first_metric, second_metric, measure), paired=False)


def _contender(folder: Path) -> Contender:
    recommender = Recommender.load(folder / "bundle", verify=False)
    return Contender(recommender, Prepared.open(folder / "prepared", recommender.bundle.recipe.compute.cache_gib))


def _measured(registry: Registry, version: Version, measure: Measure) -> Estimate:
    """The metric as the version's own metrics.json has it."""
    found = registry.metrics(version)["stages"].get(measure.stage, {}).get(measure.metric)
    if found is None:
        raise UserError(f"version {version.number} has no {measure.name} in its metrics.json: name another --metric")
    return Estimate(*(math.nan if found[part] is None else found[part] for part in ("value", "low", "high")))


def _unpaired(first: Estimate, second: Estimate, measure: Measure) -> Comparison:
    """The difference of two independent measurements."""
    half = math.hypot((first.high - first.low) / 2, (second.high - second.low) / 2)
    value = second.value - first.value
    return Comparison(measure, first.value, second.value, Estimate(value, value - half, value + half))


def usual_measure(metrics: Mapping[str, Any]) -> Measure:
    """What versions are compared by where nobody says it: the funnel's lists, or the ranker where there are none."""
    for name in ("funnel.ndcg@10", "ranking.auc", "ranking.r2", "ranking.accuracy"):
        measure = Measure.of(name)
        if measure.metric in metrics["stages"].get(measure.stage, {}):
            return measure
    raise UserError("metrics.json has neither lists nor a ranker's metric to compare versions by: name a --metric")
