"""faiss: a graph of near items (HNSW) that a query walks along. Nothing leaves it: what was removed is passed by.

Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World
Graphs", TPAMI 2018. Distances are those of vectors made equally long (`partition`).

Legend: Q queries of one block, M found or changed, I item rows, N nodes, D dim.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shortlist.core.extras import need
from shortlist.features.rows import Floats, Ints
from shortlist.index.approximate import Approximate
from shortlist.index.base import Bools, eligible_rows, with_rows
from shortlist.index.partition import equally_long

GRAPH = "graph.faiss"
MOST = 4096
"""Longest queue of a walk."""
_NODES = "nodes.npz"
_NEIGHBOURS = 32
_BUILD_QUEUE = 100


class GraphIndex(Approximate):
    """HNSW over the eligible items. It grows by a node with every change: build it anew when many have changed."""

    kind = "faiss"
    structure = "graph"

    def __init__(
        self, graph: Any, item_N: Ints, length: float, vectors_ID: Floats, eligible_I: Bools | None, threads: int
    ) -> None:
        """`item_N` says which item a node is, 0 for none any more; `length` is that of all vectors in the graph."""
        super().__init__(len(vectors_ID), eligible_I, MOST)
        self.vectors_ID = vectors_ID
        self.threads = threads
        self._graph = graph
        self._item_N = item_N
        self._length = length
        self._mapped: Path | None = None

    @classmethod
    def build(cls, vectors_ID: Floats, eligible_I: Bools | None, threads: int) -> GraphIndex:
        """Put the eligible items into a graph; with several threads it is not the same every time."""
        item_N = np.flatnonzero(eligible_rows(len(vectors_ID), eligible_I)).astype(np.int32)
        length = float(np.sqrt(np.einsum("id,id->i", vectors_ID, vectors_ID).max(initial=0)))
        faiss = _faiss()
        graph = faiss.IndexHNSWFlat(vectors_ID.shape[1] + 1, _NEIGHBOURS, faiss.METRIC_L2)
        graph.hnsw.efConstruction = _BUILD_QUEUE
        index = cls(graph, item_N[:0], length, vectors_ID, eligible_I, threads)
        index._add(item_N, vectors_ID[item_N])
        return index

    @classmethod
    def open(cls, folder: Path, vectors_ID: Floats, eligible_I: Bools | None, threads: int) -> GraphIndex:
        """What `save` left, memory-mapped until an item changes."""
        faiss = _faiss()
        with np.load(folder / _NODES, allow_pickle=False) as arrays:
            item_N, length, apart_M = arrays["items"], float(arrays["length"]), arrays["apart"]
        graph = faiss.read_index(str(folder / GRAPH), faiss.IO_FLAG_MMAP_IFC)
        index = cls(graph, item_N, length, vectors_ID, eligible_I, threads)
        index._mapped, index.apart_M = folder / GRAPH, apart_M
        return index

    def save(self, folder: Path) -> None:
        """See `Index.save`."""
        _faiss().write_index(self._graph, str(folder / GRAPH))
        np.savez(folder / _NODES, items=self._item_N, length=self._length, apart=self.apart_M)

    def put(self, item_M: Ints, vector_MD: Floats) -> None:
        """See `Index.put`. Copies all vectors: change many at once."""
        self.vectors_ID, self.eligible_I = with_rows(self.vectors_ID, self.eligible_I, item_M, vector_MD)
        self._item_N = np.where(np.isin(self._item_N, item_M), 0, self._item_N)
        self._set_apart(item_M, vector_MD, self._length)
        self._add(item_M, vector_MD)

    def remove(self, item_M: Ints) -> None:
        """See `Index.remove`."""
        self.eligible_I[item_M] = False
        self.apart_M = np.setdiff1d(self.apart_M, item_M)
        self._item_N = np.where(np.isin(self._item_N, item_M), 0, self._item_N)

    def _nearest(self, query_QD: Floats, depth: int, effort: int) -> tuple[Ints, Floats]:
        faiss = _faiss()
        faiss.omp_set_num_threads(self.threads)  # of this thread's searches: OpenMP keeps the number by thread
        nodes = len(self._item_N)
        # Nodes that are no item any more take up places of what is found.
        depth = min(depth + nodes - int(np.count_nonzero(self._item_N)), 2 * depth, nodes)
        walk = faiss.SearchParametersHNSW(efSearch=max(effort, depth))
        query_QE = np.pad(query_QD, ((0, 0), (0, 1)))
        _, node_QM = self._graph.search(query_QE, depth, params=walk)
        item_QM = np.where(node_QM < 0, 0, self._item_N[node_QM])
        return item_QM, np.einsum("qmd,qd->qm", self.vectors_ID[item_QM], query_QD)

    def _scores(self, query_D: Floats, item_M: Ints) -> Floats:
        score_M: Floats = self.vectors_ID[item_M] @ query_D
        return score_M

    def _add(self, item_M: Ints, vector_MD: Floats) -> None:
        faiss = _faiss()
        if self._mapped is not None:
            self._graph, self._mapped = faiss.read_index(str(self._mapped)), None
        faiss.omp_set_num_threads(self.threads)
        self._graph.add(equally_long(np.asarray(vector_MD, np.float32), self._length))
        self._item_N = np.concatenate([self._item_N, item_M.astype(np.int32)])


def _faiss() -> Any:
    return need("faiss", "faiss", "the index `faiss`")
