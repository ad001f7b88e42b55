"""`shortlist serve` under load: what one worker on one core answers in time, beside MLflow's server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.harness import Goal, Options, all_met, at_least, at_most, cpu_seconds, mebibytes, pin, say
from benchmarks.load import Outcome, closed_loop, open_loop
from benchmarks.result import Result
from benchmarks.serve_bundles import movielens, shop, some_users
from benchmarks.serve_mlflow import beside_mlflow
from benchmarks.served import Served, cores, proportional_memory, serve
from shortlist.core.errors import EnvironmentFault, UserError

DESCRIPTION = "recommend over HTTP: latency and rate of one worker on one core, beside MLflow's server; memory of four"
UNIT = "requests per second of one worker that is never idle, 500 candidates ranked"
N, USERS = 10, 2_000
LIMIT_MS, P50_MS, P99_MS, RATE, RATIO, MEMORY = 25.0, 4.0, 12.0, 300.0, 5.0, 1.5
SECONDS = 20.0
WARM = 200
WORKERS = 4
_STEPS = 6
_TRIES, _LATE_MS = 3, 2.0
"""How often a rate is tried where one of a hundred requests is sent later than this."""
BUNDLES: Mapping[str, Callable[[Options], Path]] = {"movielens": movielens, "shop": shop}


@dataclass(frozen=True)
class Asked:
    """A bundle and the requests that it gets."""

    name: str
    bundle: Path
    bodies: Sequence[bytes]

    @classmethod
    def of(cls, name: str, bundle: Path, options: Options) -> Asked:
        """Users drawn by the seed, whose features and histories the bundle has."""
        users = some_users(bundle, USERS, options.seed)
        return cls(name, bundle, [orjson.dumps({"user_id": user, "n": N}) for user in users])

    def requests(self, served: Served) -> list[bytes]:
        """Whole HTTP requests."""
        return [served.target.post("/v1/recommend", body) for body in self.bodies]


def run(options: Options) -> Result:
    """`python -m benchmarks serve [movielens] [shop]`, or --bundle PATH for a bundle that is there."""
    found = {asked.name: measured(asked, options) for asked in asked_for(options)}
    first = next(iter(found.values()))
    goals = {} if options.quick else goals_of(found)
    beside = first.get("mlflow")
    rivals = {name: row["mlflow"] for name, row in found.items() if "mlflow" in row}
    return Result(
        name="serve",
        passed=all_met(goals),
        unit=UNIT,
        ours=beside["ours_rate"] if beside else first["most"],
        peers={"mlflow models serve": beside["mlflow_rate"]} if beside else {},
        ratio=beside["ratio"] if beside else None,
        goals=goals,
        details={
            "at_half_the_highest_rate": {name: row["half"] for name, row in found.items()},
            "highest_rate_with_p99_under_25_ms": {name: row["highest"] for name, row in found.items()},
            "memory_mib": {name: row["memory"] for name, row in found.items()},
            **({"beside_mlflow": rivals} if rivals else {}),
            "how": "An open loop: Poisson arrivals over 64 keep-alive connections on loopback, latency from when a "
            f"request was due; a rate is tried again, {_TRIES} times at most, where the load itself was more than "
            f"{_LATE_MS:g} ms late at its p99. The server and the load have a core each where there are two. CPU is "
            "that of the worker, for one request. Memory is proportional (PSS), after all workers have answered.",
        },
    )


def asked_for(options: Options) -> list[Asked]:
    """The bundles of the command line."""
    if options.bundle is not None:
        return [Asked.of(options.bundle.name, options.bundle, options)]
    names = options.arguments or tuple(BUNDLES)
    unknown = [name for name in names if name not in BUNDLES]
    if unknown:
        raise UserError(
            f"serve: expected {' or '.join(BUNDLES)}, found {unknown[0]!r}. For a bundle say --bundle PATH."
        )
    return [Asked.of(name, BUNDLES[name](options), options) for name in names]


def measured(asked: Asked, options: Options) -> dict[str, Any]:
    """Everything of one bundle."""
    seconds = 1.0 if options.quick else options.seconds or SECONDS
    logs = options.folder("logs")
    mine, its = cores()
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    pin(mine)
    try:
        with serve(asked.bundle, logs / "serve.log", cores=[its]) as served:
            figures: dict[str, Any] = rates(asked, served, seconds, options.seed)
            alone = proportional_memory(served.workers()[0])
        with serve(asked.bundle, logs / "serve-workers.log", workers=WORKERS) as served:
            closed_loop(served.target, asked.requests(served), WARM * WORKERS, connections=8 * WORKERS)
            together = sum(proportional_memory(pid) for pid in served.workers())
        figures["memory"] = {
            "one": mebibytes(alone),
            "four": mebibytes(together),
            "ratio": round(together / alone, 3),
        }
        figures |= beside_mlflow(asked.bundle, asked.bodies, options, its)
    finally:
        if usable:
            os.sched_setaffinity(0, usable)
    return figures


def rates(asked: Asked, served: Served, seconds: float, seed: int) -> dict[str, Any]:
    """The highest rate that is answered in time, and the latencies at half of it."""
    requests = asked.requests(served)
    closed_loop(served.target, requests, WARM)
    most = closed_loop(served.target, requests, max(int(20 * seconds), 50), connections=8).rate

    def at(rate: float, seconds: float) -> Outcome:
        # Where the load itself comes late, it is the machine that is told of and not the server.
        tries = 0
        while True:
            found, tries = open_loop(served.target, requests, rate, seconds, seed=seed), tries + 1
            say(f"{asked.name}: {found.figures()}")
            if tries == _TRIES or (found.late_ms and np.percentile(found.late_ms, 99) < _LATE_MS):
                return found

    highest = highest_rate(lambda rate: at(rate, seconds / 2), most)
    before = cpu_seconds(served.workers()[0])
    half = at(highest.rate / 2, seconds)
    spent = cpu_seconds(served.workers()[0]) - before
    if not half.latency_ms:
        raise EnvironmentFault(
            f"{asked.name}: no request was answered within {LIMIT_MS:g} ms at any rate. Run it on a machine that does "
            "nothing else"
        )
    cpu = {"cpu_ms": round(1e3 * spent / max(sum(half.codes.values()), 1), 3)}
    return {"most": round(most, 1), "highest": highest.figures(), "half": {**half.figures(), **cpu}}


def highest_rate(measure: Callable[[float], Outcome], most: float, steps: int = _STEPS) -> Outcome:
    """By bisection below `most`, the rate at which the server is never idle: the highest one answered in time.

    Where no step was in time it is the last one, whose figures say so.
    """
    low, high = 0.0, most
    tried: list[Outcome] = []
    for _ in range(steps):
        tried.append(measure((low + high) / 2))
        if is_in_time(tried[-1]):
            low = tried[-1].rate
        else:
            high = tried[-1].rate
    return max(filter(is_in_time, tried), key=lambda found: found.rate, default=tried[-1])


def is_in_time(found: Outcome) -> bool:
    """Whether all was answered, and 99 of 100 within the limit."""
    return not found.errors and found.percentile(99) < LIMIT_MS


def goals_of(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Goal]:
    """What the service was to reach."""
    goals = {}
    for name, row in found.items():
        goals[f"{name}: p50 in ms at half the highest rate"] = at_most(P50_MS, row["half"]["p50_ms"])
        goals[f"{name}: p99 in ms at half the highest rate"] = at_most(P99_MS, row["half"]["p99_ms"])
        goals[f"{name}: requests a second with p99 under {LIMIT_MS:g} ms"] = at_least(RATE, row["highest"]["rate"])
        goals[f"{name}: memory of {WORKERS} workers beside one"] = at_most(MEMORY, row["memory"]["ratio"])
        if "mlflow" in row:
            goals[f"{name}: times the rate of mlflow models serve"] = at_least(RATIO, row["mlflow"]["ratio"])
    return goals
