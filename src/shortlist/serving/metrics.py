"""What Prometheus is told, by one process or by several.

Several processes write their values into files of the folder that PROMETHEUS_MULTIPROC_DIR names, and whichever is
asked adds them up. That variable must be set before this module is imported: the parent process sets it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from shortlist.serving.answers import BundleLabel
from shortlist.serving.drift import Drift
from shortlist.serving.exchange import Exchange
from shortlist.serving.work import MOST_TOGETHER

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.018, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Upper ends of the bins of times: close together where the goals for p50 and p99 lie."""
_TOGETHER = range(1, MOST_TOGETHER + 1)
_COUNTS = (0, 1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class _Collected(CollectorRegistry):
    """What has been collected already, to be written."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of it."""
        return self._families


K = TypeVar("K")
V = TypeVar("V")


class Metrics:
    """Counters of one process. A counter is made once and kept by its labels: finding it costs more than raising it."""

    def __init__(self) -> None:
        own = CollectorRegistry()
        self._own = own
        self._requests = Counter(
            "shortlist_requests", "Answers by route and status.", ["route", "status"], registry=own
        )
        self._seconds = Histogram(
            "shortlist_request_seconds", "From a request to its answer.", ["route"], buckets=_SECONDS, registry=own
        )
        self._stage_seconds = Histogram(
            "shortlist_stage_seconds", "Time of one stage of an answer.", ["stage"], buckets=_SECONDS, registry=own
        )
        self._asked = Histogram(
            "shortlist_candidates_asked", "Candidates asked for, by request.", buckets=_COUNTS, registry=own
        )
        self._found = Histogram(
            "shortlist_candidates_found", "Candidates found, by request.", buckets=_COUNTS, registry=own
        )
        self._together = Histogram(
            "shortlist_batch_requests", "Requests answered in one call.", buckets=_TOGETHER, registry=own
        )
        self._fallbacks = Counter(
            "shortlist_fallbacks", "Answers in less than the whole funnel, by what gave them.", ["source"], registry=own
        )
        self._events = Counter("shortlist_events", "Events taken in, by outcome.", ["outcome"], registry=own)
        self._in_flight = Gauge(
            "shortlist_requests_in_flight", "Requests being answered.", registry=own, multiprocess_mode="livesum"
        )
        self._queued = Gauge(
            "shortlist_requests_queued", "Requests that wait.", registry=own, multiprocess_mode="livesum"
        )
        self._bundle = Gauge(
            "shortlist_bundle_info",
            "Worker processes that answer from this bundle.",
            ["name", "version", "variant"],
            registry=own,
            multiprocess_mode="livesum",
        )
        self._known_stages: dict[str, Histogram] = {}
        self._known_routes: dict[str, Histogram] = {}
        self._known_answers: dict[tuple[str, int], Counter] = {}
        self.drift = Drift(own)

    def began(self) -> None:
        """A request has come."""
        self._in_flight.inc()

    def answered(self, route: str, status: int, seconds: float, exchange: Exchange) -> None:
        """A request has its answer."""
        self._in_flight.dec()
        _kept(self._known_answers, (route, status), lambda: self._requests.labels(route, status)).inc()
        _kept(self._known_routes, route, lambda: self._seconds.labels(route)).observe(seconds)
        watch = exchange.watch
        for stage, took in watch.took_s.items():
            self._stage(stage).observe(took)
        for found in watch.found_U:
            self._asked.observe(watch.asked)
            self._found.observe(found)
        if watch.fallback is not None:
            self._fallbacks.labels(watch.fallback).inc()

    def asked_together(self, requests: int) -> None:
        """One call has answered so many."""
        self._together.observe(requests)

    def queued(self, more: int) -> None:
        """By how much the number of requests that wait in this process has changed."""
        self._queued.inc(more)

    def took_in(self, outcomes: Mapping[str, int]) -> None:
        """Events by what became of them, such as accepted, duplicates and unknown_items."""
        for outcome, count in outcomes.items():
            self._events.labels(outcome).inc(count)

    def serves(self, variant: str, label: BundleLabel, is_served: bool = True) -> None:
        """Whether this process answers from a bundle."""
        self._bundle.labels(label.name, label.version, variant).set(is_served)

    def exposition(self) -> bytes:
        """All of it as Prometheus reads it, added up over the processes."""
        registry = self._own
        if folder := os.environ.get(FOLDER_VARIABLE):
            registry = CollectorRegistry()
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        found = list(registry.collect())
        return generate_latest(_Collected([*found, *self.drift.collect(found)]))

    def _stage(self, stage: str) -> Histogram:
        return _kept(self._known_stages, stage, lambda: self._stage_seconds.labels(stage))


def _kept(known: dict[K, V], key: K, make: Callable[[], V]) -> V:
    found = known.get(key)
    if found is None:
        found = known[key] = make()
    return found
