"""Prepare: ten million interactions to finished shards, and the part of it that others also do beside them."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contestant import Contestant, Field
from benchmarks.harness import (
    ROUNDS,
    Goal,
    Options,
    all_met,
    at_least,
    at_most,
    interleaved,
    mebibytes,
    memory_bandwidth,
    say,
)
from benchmarks.interactions import CATEGORIES, ITEMS, USERS, write_interactions
from benchmarks.result import Result

DESCRIPTION = "10 million interactions to finished shards; encoding beside Polars, DuckDB and pandas by hand"
UNIT = "rows per CPU-second, one thread"
ROWS = 10_000_000
SECONDS, GIB = 25.0, 4.0
"""Most that the whole may take on two cores."""
TIMES = {"DuckDB": 1.0, "Polars": 1.0, "pandas": 5.0}
"""What is asked of the part, beside the fastest way of each library."""
THREADS = 2
FLOOR = "counting and joining alone"
_HAND = {
    "DuckDB": ("benchmarks.encode_duckdb", None, {"": "parquet"}),
    "Polars": ("benchmarks.peers.encode_polars", "encode_polars", {", lazy": "lazy", ", in memory": "eager"}),
    "pandas": (
        "benchmarks.peers.encode_pandas",
        "encode_pandas",
        {", counts mapped": "map", ", factorised": "factorize"},
    ),
}
"""Of each library the worker, its environment (none: this one), and its ways by hand."""


@dataclass(frozen=True)
class Peer:
    """One way of one library."""

    library: str
    ordered: bool
    """Whether rows end in random order, as ours do."""
    module: str
    way: str
    environment: str | None


def _peers() -> dict[str, Peer]:
    return {
        f"{library} by hand{what}{', random order' if ordered else ''}": Peer(
            library, ordered, module, _random(way) if ordered else way, environment
        )
        for ordered in (False, True)
        for library, (module, environment, ways) in _HAND.items()
        for what, way in ways.items()
    }


def _random(way: str) -> str:
    return "random" if way == "parquet" else f"{way}_random"


PEERS = _peers()


def run(options: Options) -> Result:
    """The whole first, each round in a process of its own; then the part, everyone in turn."""
    rows = 20_000 if options.quick else ROWS
    folder = options.folder("interactions")
    say("log: writing")
    log = write_interactions(folder / f"{rows}-{options.seed}.parquet", rows, options.seed)
    settings = {"log": str(log), "folder": str(folder / "made"), "rows": rows}
    whole = [_whole(settings, options) for _ in range(1 if options.quick else ROUNDS)]
    middle = {key: statistics.median(found[key] for found in whole) for key in whole[0]}
    with Field(options) as field:
        field.add("ours", "benchmarks.prepare_ours", settings)
        field.add(FLOOR, "benchmarks.encode_duckdb", {**settings, "way": "floor"})
        for name, peer in PEERS.items():
            if not (options.quick and peer.environment):
                field.add(name, peer.module, {**settings, "way": peer.way}, peer=peer.environment)
        rates = interleaved({name: _rate(worker) for name, worker in field.there.items()})
        memory = field.ask_all("memory", list(rates.values))
        versions = field.ask_all("versions", list(rates.values))
    medians, absent = rates.medians(), {**field.absent, **rates.failed}
    best = max((medians[name] for name, peer in PEERS.items() if not peer.ordered and name in medians), default=None)
    goals = {} if options.quick else goals_of(middle, medians)
    return Result(
        name="prepare",
        passed=all_met(goals),
        unit=UNIT,
        ours=medians["ours"],
        peers={name: medians.get(name, absent.get(name, "not asked")) for name in PEERS},
        ratio=medians["ours"] / best if best else None,
        limit=medians.get(FLOOR),
        goals=goals,
        details={
            "limit_is": "DuckDB counting the three vocabularies and joining them, without normalising, split, order "
            "or a file",
            "whole": {**middle, "rounds": whole, "threads": THREADS, "rows_per_cpu_s": rows / middle["cpu_s"]},
            "contestants": {
                name: {"rate": rate, "peak_mib": mebibytes(memory[name]["peak"]) if name in memory else None}
                for name, rate in medians.items()
            },
            "rounds": rates.values,
            "peers_versions": versions,
            "roofline": {
                "bytes_per_row": (log.stat().st_size + middle["bytes"]) / rows,
                "copy_bandwidth_bytes_per_s": memory_bandwidth(),
            },
            "sizes": {"rows": rows, "users": USERS, "items": ITEMS, "categories": CATEGORIES, "numbers": 2},
            "how": "The whole has users, items, times, a category and two numbers: it is audited, freed of copies, "
            "split by time, sorted by user and time, and ends as shards. The part is the whole of our prepare for a "
            "click log without users and times: beside what is done by hand (ids by frequency, mean and deviation, a "
            "file of columns) it is audited, split at random, counted in training rows alone, and put into random "
            "order. None of that is taken out of its time, and the ratio and the goals compare it with those who do "
            "none of it; how fast they are when they put the rows into random order too stands beside.",
        },
    )


def goals_of(whole: Mapping[str, float], medians: Mapping[str, float]) -> dict[str, Goal]:
    """The goals whose contestants are there."""
    goals = {
        "seconds by the clock of the whole": at_most(SECONDS, round(whole["wall_s"], 2)),
        "GiB at the peak of the whole": at_most(GIB, round(whole["peak"] / 2**30, 3)),
    }
    for library, least in TIMES.items():
        there = [medians[name] for name, peer in PEERS.items() if _is_plain(peer, library) and name in medians]
        if there:
            goals[f"times {library} by hand"] = at_least(least, round(medians["ours"] / max(there), 3))
    return goals


def _is_plain(peer: Peer, library: str) -> bool:
    return not peer.ordered and peer.library == library


def _rate(worker: Contestant) -> Any:
    return lambda: worker.rate("encode")


def _whole(settings: Mapping[str, Any], options: Options) -> dict[str, float]:
    log = options.folder("logs") / "prepare-whole.log"
    with Contestant("whole", Path(sys.executable), "benchmarks.prepare_ours", settings, log) as worker:
        found = worker.ask("whole", threads=min(THREADS, os.cpu_count() or 1))
        found["peak"] = worker.ask("memory")["peak"]
    say(f"whole: {found['wall_s']:.1f} s, {found['cpu_s']:.1f} CPU s, {mebibytes(found['peak']):,} MiB")
    return found
