"""The approximate indexes beside the exact one: recall, latency, filters, what it takes to build them."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.embeddings import DIM, SEEN, Embeddings, embeddings
from benchmarks.harness import Goal, Options, all_met, at_least, at_most, memory_bandwidth, say, turned, versions
from benchmarks.result import Result
from shortlist.features.rows import Floats, Ints, RaggedBag
from shortlist.index.base import Index
from shortlist.index.exact import ExactIndex
from shortlist.index.folder import GRAPH_FROM, build_index, open_index
from shortlist.recipe.index import Index as Settings

DESCRIPTION = "approximate indexes, 1M vectors: latency at recall .98, filters, beside exact: faiss and LanceDB"
UNIT = "queries a second, one at a time, one thread"
K = 100
RECALL = 0.98
MILLISECONDS = 1.0
SHARES = (0.01, 0.1, 0.5)
ROUNDS = 5
TUNED_BY = 512
"""Queries by which an index is tuned; it is measured by others."""
WAYS: Mapping[str, Settings] = {
    "exact": Settings(kind="exact"),
    "faiss, lists": Settings(kind="faiss", structure="lists"),
    "faiss, graph": Settings(kind="faiss", structure="graph"),
    "LanceDB": Settings(kind="lancedb"),
}


@dataclass(frozen=True)
class Case:
    """One catalogue and how it is searched."""

    items: int
    of_one_length: bool
    ways: tuple[str, ...]
    queries: int = 300
    filtered: int = 20
    """Queries of each filter."""

    @property
    def name(self) -> str:
        """As figures are labelled."""
        return f"{self.items:,} vectors {'of one length' if self.of_one_length else 'of different lengths'}"

    @property
    def taken(self) -> str:
        """The way that `auto` takes."""
        return "faiss, graph" if self.of_one_length and self.items >= GRAPH_FROM else "faiss, lists"


LARGE = 1_000_000
"""Items of the cases that have goals."""
CASES = (
    Case(LARGE, False, ("exact", "faiss, lists", "LanceDB")),
    Case(LARGE, True, ("exact", "faiss, lists", "faiss, graph")),
    Case(200_000, False, ("exact", "faiss, lists", "faiss, graph", "LanceDB")),
    Case(200_000, True, ("exact", "faiss, lists", "faiss, graph")),
)
QUICK = (Case(3_000, False, ("exact", "faiss, lists", "faiss, graph"), 10, 2),)


def run(options: Options) -> Result:
    """Every case; all indexes of one take turns."""
    bandwidth = memory_bandwidth()
    found = {case: _measure(case, options) for case in (QUICK if options.quick else CASES)}
    case, first = next(iter(found.items()))
    goals = goals_of(found)
    return Result(
        name="ann",
        passed=all_met(goals),
        unit=UNIT,
        ours=1e3 / first[case.taken]["p50_ms"],
        peers={name: 1e3 / figures["p50_ms"] for name, figures in first.items() if name != case.taken},
        ratio=first["exact"]["p50_ms"] / first[case.taken]["p50_ms"],
        goals=goals,
        details={
            "case": f"{case.name}, {K} nearest, {SEEN} left out of each query.",
            "cases": {f"{of.name}: {name}": figures for of, ways in found.items() for name, figures in ways.items()},
            "roofline": {"copy_bandwidth_bytes_per_s": bandwidth},
            "peers_versions": {"indexes": versions("faiss-cpu", "lancedb")},
            "sizes": {"dim": DIM, "k": K, "tuned_by": TUNED_BY, "rounds": ROUNDS},
            "how": "An index is built as a bundle's is, its effort chosen on queries of its own. Vectors lie between "
            "overlapping topics, with variance that falls by dimension and log-normal lengths: at least as hard to "
            "search as item factors of BPR and ALS learned on Gowalla. A filter keeps items by chance; its recall is "
            "of those it keeps. LanceDB reads from disk, with threads of its own.",
        },
    )


def goals_of(found: Mapping[Case, Mapping[str, Mapping[str, Any]]]) -> dict[str, Goal]:
    """Recall and latency of what `auto` takes for the large cases, and of every filter exactly k."""
    goals = {}
    for case, ways in found.items():
        if case.items == LARGE:
            what = f"{case.name}: {case.taken}"
            goals[f"{what}, recall@{K}"] = at_least(RECALL, ways[case.taken][f"recall@{K}"])
            goals[f"{what}, ms a query at the median"] = at_most(MILLISECONDS, ways[case.taken]["p50_ms"])
    short = sum(figures["short_of_k"] for every in found.values() for figures in every.values())
    return {**goals, "answers with fewer than k, of all filters": at_most(0, short)}


def _measure(case: Case, options: Options) -> dict[str, dict[str, Any]]:
    made = embeddings(case.items, TUNED_BY + case.queries, options.seed, case.of_one_length)
    folder = options.folder("ann")
    indexes: dict[str, Index] = {}
    figures: dict[str, dict[str, Any]] = {}
    for way in case.ways:
        place = folder / way
        shutil.rmtree(place, ignore_errors=True)
        facts = build_index(made.vectors_ID, None, WAYS[way], made.query_QD[:TUNED_BY], place, seed=options.seed)
        indexes[way] = open_index(place, made.vectors_ID, None)
        figures[way] = {"build_s": facts["build_s"], "mib": facts["bytes"] / 2**20, "effort": facts.get("effort", {})}
        say(f"{case.name}: {way}: {facts}")
    truth = ExactIndex(made.vectors_ID)
    _measure_singles(case, made, truth, indexes, figures)
    for way, index in indexes.items():
        figures[way] |= _filters(case, made, truth, index, options.seed)
        say(f"{case.name}: {way}: {figures[way]}")
    return figures


def _measure_singles(
    case: Case, made: Embeddings, truth: ExactIndex, indexes: Mapping[str, Index], figures: dict[str, dict[str, Any]]
) -> None:
    """One query after the other, the indexes in turns."""
    rows_Q = np.arange(TUNED_BY, TUNED_BY + case.queries)
    expected_QK, _ = truth.search(made.query_QD[rows_Q], K, made.seen.rows(rows_Q))
    milliseconds: dict[str, list[float]] = {way: [] for way in indexes}
    hits: dict[str, list[float]] = {way: [] for way in indexes}
    for number, part_Q in enumerate(np.array_split(np.arange(case.queries), ROUNDS)):
        for way in turned(list(indexes), number):
            for q in part_Q[: None if way != "exact" else 20]:
                row_1 = rows_Q[q : q + 1]
                item_K, taken = _timed(indexes[way], made.query_QD[row_1], made.seen.rows(row_1), None)
                milliseconds[way].append(taken)
                hits[way].append(float(np.isin(expected_QK[q], item_K).mean()))
    for way in indexes:
        figures[way] |= {
            f"recall@{K}": statistics.fmean(hits[way]),
            "p50_ms": statistics.median(milliseconds[way]),
            "p99_ms": float(np.percentile(milliseconds[way], 99)),
        }


def _timed(index: Index, query_1D: Floats, seen: RaggedBag, allowed: RaggedBag | None) -> tuple[Ints, float]:
    started = time.perf_counter()
    item_1K, _ = index.search(query_1D, K, seen, allowed)
    return item_1K[0], (time.perf_counter() - started) * 1e3


def _filters(case: Case, made: Embeddings, truth: ExactIndex, index: Index, seed: int) -> dict[str, Any]:
    """Of each share that a filter keeps the latency and the recall; how many answers were short."""
    random = np.random.default_rng(seed)
    figures: dict[str, Any] = {"short_of_k": 0}
    for share in SHARES:
        kept = random.choice(np.arange(1, case.items + 1), int(share * case.items), replace=False).astype(np.int32)
        taken, hits = [], []
        for row in range(TUNED_BY, TUNED_BY + case.filtered):
            seen, allowed = made.seen.rows(np.array([row])), RaggedBag.of([kept])
            item_K, milliseconds = _timed(index, made.query_QD[row : row + 1], seen, allowed)
            expected_1K, _ = truth.search(made.query_QD[row : row + 1], K, seen, allowed)
            taken.append(milliseconds)
            expected_M = expected_1K[expected_1K > 0]
            hits.append(float(np.isin(expected_M, item_K).mean()))
            figures["short_of_k"] += int((item_K > 0).sum() < len(expected_M))
        figures[f"{share:.0%}_kept"] = {"p50_ms": statistics.median(taken), "recall": statistics.fmean(hits)}
    return figures
