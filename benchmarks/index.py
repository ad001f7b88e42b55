"""The exact index: queries a CPU-second in batches and one by one, beside faiss and a partition by hand."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestant import Field
from benchmarks.harness import (
    Goal,
    Options,
    Rounds,
    all_met,
    at_least,
    at_most,
    interleaved,
    matrix_rate,
    mebibytes,
    memory_bandwidth,
    say,
)
from benchmarks.result import Result
from benchmarks.vectors import DIM, SEEN, Array, write_vectors

DESCRIPTION = "the exact index, 100k and 1M vectors: queries a CPU-second and latency beside faiss Flat and NumPy"
UNIT = "queries per CPU-second, one thread"
NUMPY = "NumPy, argpartition"
FAISS = {"faiss Flat": False, "faiss Flat, BLAS from 20 queries": True}
PEERS = (*FAISS, NUMPY)
CHECKED = 32
"""Queries whose answers of all contestants are held against one another."""
LEVEL = 0.95
"""Of the best peer for single queries: all read the same bytes at the memory's pace, and rounds differ by more."""
TOLERANCE = 1e-5
"""Scores of unit vectors that differ by less are equal: sums in another order."""


@dataclass(frozen=True)
class Case:
    """One size of catalogue and answer."""

    items: int
    k: int
    queries: int
    """Of a batch."""
    singles: int
    """Queries of a round that are asked one by one."""

    @property
    def name(self) -> str:
        """As figures are labelled."""
        return f"{self.items:,} items, {self.k} nearest"


CASES = (Case(100_000, 100, 1024, 400), Case(100_000, 500, 1024, 400), Case(1_000_000, 100, 256, 60))
QUICK = (Case(2_000, 10, 64, 5),)


@dataclass(frozen=True)
class Measured:
    """What one case gave."""

    case: Case
    batch: Rounds
    single: Rounds
    """Queries a CPU-second too."""
    milliseconds: Mapping[str, Sequence[float]]
    """Of each single query by the clock on the wall."""
    differing: Mapping[str, int]
    """Of each peer in how many of the checked answers ours is not the same."""
    memory: Mapping[str, Mapping[str, Any]]

    def ratio(self, rounds: Rounds) -> float | None:
        """Ours over the best peer."""
        best = max((rounds.median(name) for name in PEERS if name in rounds.values), default=None)
        return rounds.median("ours") / best if best else None


def run(options: Options) -> Result:
    """Every case, every contestant, in rounds taken in turn."""
    cases = QUICK if options.quick else CASES
    with Field(options) as field:
        field.add("ours", "benchmarks.search_ours", {})
        field.add(NUMPY, "benchmarks.search_numpy", {})
        if not options.quick:
            for name, blas in FAISS.items():
                field.add(name, "benchmarks.peers.faiss_flat", {"blas": blas}, peer="faiss_flat")
        measured = [_measure(field, case, options) for case in cases]
        versions = field.ask_all("versions", list(field.there))
    rate, bandwidth = matrix_rate(1, ((4096, DIM, 256),)), memory_bandwidth()
    goals = {name: goal for found in measured for name, goal in goals_of(found).items()}
    largest = measured[-1]
    limits = [limits_of(found.case, rate, bandwidth) for found in measured]
    return Result(
        name="index",
        passed=all_met(goals),
        unit=UNIT,
        ours=largest.batch.median("ours"),
        peers={
            name: largest.batch.median(name)
            if name in largest.batch.values
            else field.absent.get(name) or largest.batch.failed.get(name, "not asked")
            for name in PEERS
        },
        ratio=largest.ratio(largest.batch),
        limit=limits[-1]["batch_per_cpu_s"],
        goals=goals,
        details={
            "case": f"a batch of {largest.case.queries} queries, {largest.case.name}",
            "limit_is": "the products' FLOPs over the measured matrix rate; for single queries the vectors' bytes over "
            "the bandwidth of a copy, which counts reads and writes alike",
            "cases": {
                f"{found.case.name}: {name}": figures
                for found, limit in zip(measured, limits, strict=True)
                for name, figures in {**_figures(found), "limit": limit}.items()
            },
            "roofline": {"matrix_rate_flops_per_s": rate, "copy_bandwidth_bytes_per_s": bandwidth},
            "peers_versions": versions,
            "sizes": {"dim": DIM, "seen": SEEN, "checked": CHECKED},
            "how": f"Each query leaves out {SEEN} items. faiss cannot do that, so it is asked for {SEEN} more, which "
            "NumPy takes out of its answers.",
        },
    )


def limits_of(case: Case, rate: float, bandwidth: float) -> dict[str, float]:
    """Queries a second that the FLOPs of a batch and the bytes of a single query allow."""
    return {"batch_per_cpu_s": rate / (2 * case.items * DIM), "single_per_cpu_s": bandwidth / (4 * case.items * DIM)}


def goals_of(found: Measured) -> dict[str, Goal]:
    """At least level with the best peer, with the same answers."""
    goals: dict[str, Goal] = {}
    for kind, asked, rounds in (("batch", 1, found.batch), ("single", LEVEL, found.single)):
        ratio = found.ratio(rounds)
        # Tiny catalogues, which nobody needs an index for, are a quick look at whether it runs.
        if ratio is not None and found.case not in QUICK:
            goals[f"{found.case.name}: {kind}, times the best peer"] = at_least(asked, ratio)
    for name, differing in found.differing.items():
        goals[f"{found.case.name}: answers unlike those of {name}"] = at_most(0, differing)
    return goals


def differing(ours: tuple[Array, Array], theirs: tuple[Array, Array]) -> int:
    """Queries whose answers have other scores, or other items than such as are as good as the last one.

    Of items whose scores are equal, or as good as, either may come first, and either may be the last that is found.
    """
    (item_UK, score_UK), (other_UK, reference_UK) = ours, theirs
    unlike_U = (np.abs(score_UK - reference_UK) > TOLERANCE).any(axis=1)
    for user, (items, others) in enumerate(zip(item_UK, other_UK, strict=True)):
        alone = ~np.isin(items, others)
        better = score_UK[user, alone] > reference_UK[user, -1] + TOLERANCE
        unlike_U[user] |= bool(better.any()) or len(np.unique(items)) < len(items)
    return int(unlike_U.sum())


def _measure(field: Field, case: Case, options: Options) -> Measured:
    folder = options.folder("vectors") / f"{case.items}-{case.queries}-{options.seed}"
    if not (folder / "seen.npy").is_file():
        write_vectors(folder, case.items, case.queries, options.seed)
    say(case.name)
    there = list(field.ask_all("open", list(field.there), folder=str(folder)))
    answers = _answers(field, there, case, options.folder("answers"))
    milliseconds: dict[str, list[float]] = {name: [] for name in there}

    def single(name: str) -> float:
        found = field.there[name].ask("single", k=case.k, count=case.singles)
        milliseconds[name] += found["ms"]
        return float(found["rows"] / found["cpu_s"])

    return Measured(
        case,
        batch=interleaved({name: partial(field.there[name].rate, "batch", k=case.k) for name in there}),
        single=interleaved({name: partial(single, name) for name in there}),
        milliseconds=milliseconds,
        differing={name: differing(answers["ours"], theirs) for name, theirs in answers.items() if name != "ours"},
        memory=field.ask_all("memory", there),
    )


def _answers(field: Field, names: list[str], case: Case, folder: Path) -> dict[str, tuple[Array, Array]]:
    """What each contestant finds for the first queries."""
    found = {}
    for name in names:
        file = folder / f"{name.replace(' ', '-')}.npz"
        field.there[name].ask("answers", k=case.k, count=CHECKED, file=str(file))
        with np.load(file) as arrays:
            found[name] = (arrays["items"], arrays["scores"])
    return found


def _figures(found: Measured) -> dict[str, Any]:
    """Of every contestant the rates and latencies of one case."""
    return {
        name: {
            "batch_per_cpu_s": found.batch.median(name),
            "single_per_cpu_s": found.single.median(name),
            "single_p50_ms": statistics.median(found.milliseconds[name]),
            "single_p99_ms": float(np.percentile(found.milliseconds[name], 99)),
            "resident_mib": mebibytes(found.memory[name]["now"]),
            "rounds": {"batch": found.batch.values[name], "single": found.single.values[name]},
        }
        for name in found.batch.values
        if name in found.single.values
    }
