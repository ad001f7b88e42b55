"""faiss: items in lists (IVF-flat), of which a query looks at those nearest to it; items may come, change and go.

Jégou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 2011, without the quantization;
Douze et al., "The Faiss library", 2024. Which lists there are and which of them a query looks at is the business of
`Partition`; faiss goes through them.

Legend: Q queries of one block, M found or changed, I item rows, C lists, P lists searched, D dim.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shortlist.core.extras import need
from shortlist.features.rows import Floats, Ints, Longs
from shortlist.index.approximate import Approximate
from shortlist.index.base import Bools, eligible_rows, with_rows
from shortlist.index.partition import Partition

LISTS = "lists.faiss"
_PARTITION = "partition.npz"
_PER_LIST = 39
"""Fewest items for each list, else k-means has too little to go by."""


class ListIndex(Approximate):
    """IVF-flat over the eligible items."""

    kind = "faiss"
    structure = "lists"

    def __init__(
        self, lists: Any, partition: Partition, vectors_ID: Floats, eligible_I: Bools | None, threads: int
    ) -> None:
        """`lists` is faiss's index, which may be memory-mapped; `threads` share the queries of one search."""
        super().__init__(len(vectors_ID), eligible_I, lists.nlist)
        self.vectors_ID = vectors_ID
        self.threads = threads
        self._lists = lists
        self._partition = partition
        self._mapped: Path | None = None

    @classmethod
    def build(cls, vectors_ID: Floats, eligible_I: Bools | None, seed: int, threads: int) -> ListIndex:
        """Find lists and put the eligible items into them."""
        row_M = np.flatnonzero(eligible_rows(len(vectors_ID), eligible_I))
        vector_MD = np.ascontiguousarray(vectors_ID[row_M], np.float32)
        partition = Partition.learn(vector_MD, lists_for(len(row_M)), seed)
        faiss = _faiss()
        dim, lists = vectors_ID.shape[1], len(partition.centroid_CE)
        # faiss asks for centroids to be there; lists are chosen by those of the partition, which have a component more.
        nominal = faiss.IndexFlatIP(dim)
        nominal.add(np.zeros((lists, dim), np.float32))
        inner = faiss.IndexIVFFlat(nominal, dim, lists, faiss.METRIC_INNER_PRODUCT)
        inner.is_trained = True
        index = cls(inner, partition, vectors_ID, eligible_I, threads)
        index._add(row_M, vector_MD)
        return index

    @classmethod
    def open(cls, folder: Path, vectors_ID: Floats, eligible_I: Bools | None, threads: int) -> ListIndex:
        """What `save` left, memory-mapped until an item changes."""
        faiss = _faiss()
        lists = faiss.read_index(str(folder / LISTS), faiss.IO_FLAG_MMAP)
        index = cls(lists, Partition.open(folder / _PARTITION), vectors_ID, eligible_I, threads)
        index._mapped = folder / LISTS
        return index

    def save(self, folder: Path) -> None:
        """See `Index.save`."""
        _faiss().write_index(self._lists, str(folder / LISTS))
        self._partition.save(folder / _PARTITION)

    def put(self, item_M: Ints, vector_MD: Floats) -> None:
        """See `Index.put`. Copies all vectors: change many at once."""
        self.vectors_ID, self.eligible_I = with_rows(self.vectors_ID, self.eligible_I, item_M, vector_MD)
        self._take_out(item_M)
        self._add(item_M.astype(np.int64), np.ascontiguousarray(vector_MD, np.float32))

    def remove(self, item_M: Ints) -> None:
        """See `Index.remove`."""
        self.eligible_I[item_M] = False
        self._take_out(item_M)

    def _nearest(self, query_QD: Floats, depth: int, effort: int) -> tuple[Ints, Floats]:
        faiss = _faiss()
        faiss.omp_set_num_threads(self.threads)  # of this thread's searches: OpenMP keeps the number by thread
        depth = min(depth, max(self._lists.ntotal, 1))
        list_QP, distance_QP = self._partition.towards(query_QD, effort)
        item_QM = np.empty((len(query_QD), depth), np.int64)
        score_QM = np.empty((len(query_QD), depth), np.float32)
        # The Python method knows no parameters: it would take the number of lists from the index all threads share.
        self._lists.search_preassigned_c(
            len(query_QD),
            faiss.swig_ptr(query_QD),
            depth,
            faiss.swig_ptr(list_QP),
            faiss.swig_ptr(distance_QP),
            faiss.swig_ptr(score_QM),
            faiss.swig_ptr(item_QM),
            False,
            faiss.SearchParametersIVF(nprobe=list_QP.shape[1]),
        )
        return np.maximum(item_QM, 0).astype(np.int32), score_QM

    def _scores(self, query_D: Floats, item_M: Ints) -> Floats:
        score_M: Floats = self.vectors_ID[item_M] @ query_D
        return score_M

    def _add(self, row_M: Longs, vector_MD: Floats) -> None:
        faiss, list_M = _faiss(), self._partition.of(vector_MD)
        self._lists.add_core(len(row_M), faiss.swig_ptr(vector_MD), faiss.swig_ptr(row_M), faiss.swig_ptr(list_M))

    def _take_out(self, item_M: Ints) -> None:
        if self._mapped is not None:
            self._lists, self._mapped = _faiss().read_index(str(self._mapped)), None
        self._lists.remove_ids(item_M.astype(np.int64))


def lists_for(items: int) -> int:
    """About 4 sqrt(I), a power of two, so that to choose lists costs about as much as to go through them."""
    wanted = 2 ** round(np.log2(4 * np.sqrt(max(items, 1))))
    return int(max(1, min(wanted, items // _PER_LIST)))


def _faiss() -> Any:
    return need("faiss", "faiss", "the index `faiss`")
