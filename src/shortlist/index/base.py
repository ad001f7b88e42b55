"""What every index is.

Legend: U queries, K nearest, I item rows, M some items, D dim.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shortlist.core.memory import machine_memory
from shortlist.features.rows import Floats, Ints, RaggedBag

Bools = npt.NDArray[np.bool_]


class Index(Protocol):
    """Items by the dot product of their vector with a query's. Row 0 stands for no item and is never found.

    Several threads may search at once; none may while items change.
    """

    @property
    def kind(self) -> str:
        """`exact`, `faiss` or `lancedb`."""

    @property
    def eligible_I(self) -> Bools:
        """The item rows that may be found."""

    def search(
        self,
        query_UD: Floats,
        k: int,
        exclude: RaggedBag | None = None,
        allowed: RaggedBag | None = None,
        within_I: Bools | None = None,
    ) -> tuple[Ints, Floats]:
        """item_UK and score_UK, best first, equal scores by the lower row; 0 and -inf where fewer than k are left.

        `exclude` holds item rows of each query that must not be found, `allowed` those it may choose from, `within_I`
        marks those that any of them may: at least as long as there are items. Of items that are left k are found
        wherever there are as many.
        """

    def put(self, item_M: Ints, vector_MD: Floats) -> None:
        """Add items, or give those that are there a new vector; from then on they may be found.

        Rows are given once each and may lie beyond those there are; what lies between is no item.
        """

    def remove(self, item_M: Ints) -> None:
        """These are no longer found."""

    def save(self, folder: Path) -> None:
        """Leave in `folder` what `open_index` needs beside the vectors of the items."""


def eligible_rows(items: int, eligible_I: Bools | None) -> Bools:
    """A copy of `eligible_I`, by default all rows, without row 0."""
    found_I = np.ones(items, bool) if eligible_I is None else eligible_I.copy()
    found_I[:1] = False
    return found_I


def with_rows(vectors_ID: Floats, eligible_I: Bools, item_M: Ints, vector_MD: Floats) -> tuple[Floats, Bools]:
    """Copies of both with these items, longer where their rows lie beyond the last one. ValueError for row 0."""
    rows = max(len(vectors_ID), int(item_M.max(initial=0)) + 1)
    eligible_I = with_eligible(eligible_I, item_M)
    longer_ID = _zeros(rows, vectors_ID.shape[1])
    longer_ID[: len(vectors_ID)] = vectors_ID
    longer_ID[item_M] = vector_MD
    return longer_ID, eligible_I


def _zeros(rows: int, dim: int) -> Floats:
    """Zeros: in memory, or where they are more than it holds in a temporary file, which goes when they do."""
    if rows * dim * np.dtype(np.float32).itemsize <= machine_memory():
        return np.zeros((rows, dim), np.float32)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float32, "w+", shape=(rows, dim))


def with_eligible(eligible_I: Bools, item_M: Ints) -> Bools:
    """A copy in which these rows may be found, longer where they lie beyond the last one. ValueError for row 0."""
    if item_M.min(initial=1) < 1:
        raise ValueError(f"item rows begin at 1, found {int(item_M.min())}: row 0 stands for no item")
    longer_I = np.zeros(max(len(eligible_I), int(item_M.max(initial=0)) + 1), bool)
    longer_I[: len(eligible_I)] = eligible_I
    longer_I[item_M] = True
    return longer_I
