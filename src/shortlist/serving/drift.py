"""Whether what is served is still what was measured: the population stability index of scores and features.

PSI = sum over bins of (served - expected) ln(served / expected). Below 0.1 nothing has changed, above 0.25 much has:
Siddiqi, Credit Risk Scorecards, 2006, chapter 9. Of n requests it is about (bins - 1) / n by chance alone: Yurdakul,
Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation 14 (4), 2020.

Legend: B bins of one column.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import GaugeMetricFamily

from shortlist.bundle.profile import Binned, Profile, columns_of, read_profile
from shortlist.funnel.columns import Candidates, Requests
from shortlist.serving.lineup import Lineup
from shortlist.serving.service import Service

BINS = "shortlist_profile_bin"
_FEWEST = 500
"""Values before there is an index: with ten bins, chance alone then makes about 0.02 of it."""
_SMALLEST = 1e-4
"""Share that an empty bin counts as: the logarithm of 0 is no number."""


def stability_index(expected_B: Iterable[float], counts_B: Iterable[float]) -> float:
    """The PSI of counts against expected shares."""
    expected = np.maximum(np.array(list(expected_B)), _SMALLEST)
    counts = np.array(list(counts_B))
    served = np.maximum(counts / counts.sum(), _SMALLEST)
    return float(((served - expected) * np.log(served / expected)).sum())


class Drift:
    """Counts by bin in every process; compared with the profiles when Prometheus asks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts = Counter(
            BINS, "Values served, by bin of the bundle's profile.", ["version", "column", "bin"], registry=registry
        )
        self._profiles: dict[str, Profile] = {}
        self._bins: dict[tuple[str, str], list[Counter]] = {}

    def watches(self, lineup: Lineup) -> None:
        """Count what this line-up answers, where its bundles have profiles."""
        for arm in lineup.arms:
            profile = read_profile(arm.service.recommender.bundle.path)
            if profile is not None:
                self._profiles[arm.service.label.version] = profile

    def count(self, service: Service, requests: Requests, found: Candidates) -> None:
        """Count one answer."""
        version = service.label.version
        profile = self._profiles.get(version)
        if profile is None:
            return
        columns = columns_of(service.recommender.bundle.schema, requests, found)
        for name, binned in profile.items():
            counters = self._counters(version, name, binned)
            counts_B = np.bincount(binned.bins(columns[name][0]), minlength=len(counters))
            for place in np.flatnonzero(counts_B).tolist():
                counters[place].inc(int(counts_B[place]))

    def collect(self, families: Iterable[Metric]) -> Iterator[Metric]:
        """The index of each column, from the counts of all processes."""
        counts: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        for family in families:
            for sample in family.samples if family.name == BINS else ():
                if sample.name == f"{BINS}_total":
                    key = (sample.labels["version"], sample.labels["column"])
                    counts[key][int(sample.labels["bin"])] = sample.value
        index = GaugeMetricFamily(
            "shortlist_drift_psi",
            "Population stability index of what was served since the start against validation.",
            labels=["version", "column"],
        )
        for (version, column), by_bin in counts.items():
            expected_B = self._profiles.get(version, {}).get(column)
            if expected_B is not None and sum(by_bin.values()) >= _FEWEST:
                served_B = [by_bin.get(place, 0.0) for place in range(len(expected_B.shares_B))]
                index.add_metric([version, column], stability_index(expected_B.shares_B, served_B))
        if index.samples:
            yield index

    def _counters(self, version: str, name: str, binned: Binned) -> list[Counter]:
        key = (version, name)
        if key not in self._bins:
            places = range(len(binned.shares_B))
            self._bins[key] = [self._counts.labels(version, name, str(place)) for place in places]
        return self._bins[key]
