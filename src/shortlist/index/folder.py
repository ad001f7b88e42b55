"""The folder of an index: chosen, built, measured against exact and written; opened again.

`index.json` says what it is; what else is there belongs to the index. Vectors are not: they are the source's.
Legend: Q queries, K nearest, I item rows, D dim.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.core.files import read_json, write_json
from shortlist.core.memory import check_memory, machine_memory
from shortlist.core.seeding import stream
from shortlist.features.rows import Floats, Ints
from shortlist.index.approximate import Approximate, Effort
from shortlist.index.base import Bools, Index, eligible_rows
from shortlist.index.exact import ExactIndex
from shortlist.index.graph import GraphIndex
from shortlist.index.lance import LanceIndex
from shortlist.index.lists import ListIndex
from shortlist.recipe import index as recipe

DEPTHS = (100, 1000)
"""Numbers of nearest items for which the effort is chosen; the first is what recall is reported of."""
EXACT_BELOW = 20_000
"""So few items are looked at one by one in less time than any index saves."""
GRAPH_FROM = 200_000
MOST_SEARCHED = 0.25
"""An index that must look at more of the items is no faster than to look at all of them in order."""
_SAMPLE = 256
"""Queries to choose the effort by, and as many others to measure it by."""
_MARGIN = 0.25
"""Of what the goal leaves to be missed this much is kept, as other queries are not those the effort was chosen by."""
_COPIES = 2
"""Of the vectors that an index in memory holds while it is built: the rows that it takes in, and its own."""
_ON_DISK = "Install LanceDB, which leaves vectors on disk: pip install 'shortlist[lancedb]'"
_ABOUT = "index.json"


def build_index(
    vectors_ID: Floats,
    eligible_I: Bools | None,
    settings: recipe.Index,
    queries_QD: Floats,
    folder: Path,
    threads: int = 1,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Choose an index, build it and leave it in `folder`, which is made; what was chosen and measured, as JSON values.

    queries_QD: vectors of real requests, by which the effort is chosen and its recall measured; without any, items
        stand for them.
    """
    folder.mkdir()
    started = time.perf_counter()
    index = _built(vectors_ID, eligible_I, settings, folder, threads, seed)
    build_s = time.perf_counter() - started
    measured: dict[str, Any] = {}
    if isinstance(index, Approximate):
        exact = ExactIndex(vectors_ID, eligible_I)
        measured = _tuned(index, exact, settings, _sampled(queries_QD, exact, seed))
        if settings.kind == "auto" and index.kind == "faiss" and not measured["pays"]:
            index, measured = exact, {}
    saved = save_index(index, folder)
    return {"asked": settings.kind, "build_s": build_s, **saved, **measured}


def save_index(index: Index, folder: Path) -> dict[str, Any]:
    """Leave the index in `folder`, in place of the one that is there; what it is and its size, as JSON values."""
    about: dict[str, Any] = {"kind": index.kind}
    if isinstance(index, Approximate):
        about |= {"structure": index.structure, "effort": index.effort.to_json()}
    if not (isinstance(index, LanceIndex) and index.lies_in(folder)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    index.save(folder)
    write_json(folder / _ABOUT, about)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"kind": index.kind, "items": int(index.eligible_I.sum()), "bytes": size}


def open_index(folder: Path, vectors_ID: Floats, eligible_I: Bools | None, threads: int = 1) -> Index:
    """The index in `folder`; no more items may be eligible than when it was built."""
    about = read_json(folder / _ABOUT)
    if about["kind"] == "exact":
        return ExactIndex(vectors_ID, eligible_I)
    kinds: dict[str, type[ListIndex | GraphIndex | LanceIndex]] = {
        kind.structure: kind for kind in (ListIndex, GraphIndex, LanceIndex)
    }
    index = kinds[about["structure"]].open(folder, vectors_ID, eligible_I, threads)
    index.effort = Effort.from_json(about["effort"])
    return index


def _built(
    vectors_ID: Floats, eligible_I: Bools | None, settings: recipe.Index, folder: Path, threads: int, seed: int
) -> Index:
    items = int(eligible_rows(len(vectors_ID), eligible_I).sum())
    kind = _chosen(vectors_ID, items) if settings.kind == "auto" else settings.kind
    if kind == "exact" or not items:
        return ExactIndex(vectors_ID, eligible_I)
    if kind == "lancedb":
        return LanceIndex.build(vectors_ID, eligible_I, settings.place or folder)
    structure = settings.structure
    if structure == "auto":
        structure = "graph" if items >= GRAPH_FROM and _is_of_one_length(vectors_ID, eligible_I) else "lists"
    if structure == "graph":
        return GraphIndex.build(vectors_ID, eligible_I, threads)
    return ListIndex.build(vectors_ID, eligible_I, seed, threads)


def _chosen(vectors_ID: Floats, items: int) -> str:
    """The kind of an index that `auto` takes. EnvironmentFault where the vectors fit into no index there is."""
    if items <= EXACT_BELOW:
        return "exact"
    needed = _COPIES * vectors_ID.nbytes
    if not importlib.util.find_spec("lancedb"):
        check_memory(needed, f"an index over {items:,} items", _ON_DISK)
    elif needed > machine_memory():
        return "lancedb"
    return "faiss" if importlib.util.find_spec("faiss") else "exact"


def _is_of_one_length(vectors_ID: Floats, eligible_I: Bools | None) -> bool:
    squares_I = np.einsum("id,id->i", vectors_ID, vectors_ID)[eligible_rows(len(vectors_ID), eligible_I)]
    return bool(squares_I.max() <= squares_I.min() * (1 + 1e-3))


def _sampled(queries_QD: Floats, exact: ExactIndex, seed: int) -> Floats:
    random = stream(seed, "index queries")
    from_QD, row_Q = queries_QD, np.arange(len(queries_QD))
    if not len(row_Q):
        from_QD, row_Q = exact.vectors_ID, np.flatnonzero(exact.eligible_I)
    chosen = random.choice(len(row_Q), min(2 * _SAMPLE, len(row_Q)), replace=False)
    return np.ascontiguousarray(from_QD[row_Q[chosen]], np.float32)


def _tuned(index: Approximate, exact: ExactIndex, settings: recipe.Index, query_QD: Floats) -> dict[str, Any]:
    """Choose the effort by every other query, and measure by those between them."""
    chosen_by, measured_by = query_QD[::2], query_QD[1::2] if len(query_QD) > 1 else query_QD
    goal = settings.recall + _MARGIN * (1 - settings.recall)
    at_depth = {depth: _least(index, exact, chosen_by, depth, goal) for depth in DEPTHS}
    index.effort = Effort(at_depth, index.effort.most)
    found = recall(index, exact, measured_by, DEPTHS[0])
    return {
        "structure": index.structure,
        f"recall@{DEPTHS[0]}": found,
        "effort": {str(depth): effort for depth, effort in at_depth.items()},
        "pays": at_depth[DEPTHS[0]] < MOST_SEARCHED * index.effort.most and found >= settings.recall - 0.01,
    }


def _least(index: Approximate, exact: ExactIndex, query_QD: Floats, depth: int, goal: float) -> int:
    """The least effort, in steps of a fifth, that reaches the goal at this depth; the most where none does."""
    efforts, effort = [index.effort.most], float(index.effort.most)
    while effort > 1:
        effort /= 1.2
        efforts.append(max(round(effort), 1))
    low, high = 0, len(efforts) - 1
    truth = exact.search(query_QD, depth)[0]
    while low < high:
        middle = (low + high + 1) // 2
        index.effort = Effort({depth: efforts[middle]}, index.effort.most)
        if _share(truth, index.near(query_QD, depth)[0]) >= goal:
            low = middle
        else:
            high = middle - 1
    return efforts[low]


def recall(index: Index, exact: ExactIndex, query_QD: Floats, k: int) -> float:
    """The share of the `k` nearest items that the index finds."""
    return _share(exact.search(query_QD, k)[0], index.search(query_QD, k)[0])


def _share(truth_QK: Ints, found_QK: Ints) -> float:
    width = 1 + max(int(truth_QK.max(initial=0)), int(found_QK.max(initial=0)))
    start_Q1 = np.arange(len(truth_QK), dtype=np.int64)[:, None] * width
    wanted = truth_QK > 0
    hits = np.isin(start_Q1 + truth_QK, (start_Q1 + found_QK)[found_QK > 0]) & wanted
    return float(hits.sum() / max(wanted.sum(), 1))
