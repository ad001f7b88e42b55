"""The worker of `index` for this project."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.vectors import Array, Questions, Search, serve_search
from shortlist.features.rows import RaggedBag
from shortlist.index.exact import ExactIndex


def build(vectors_ID: Array) -> Search:
    """The exact index."""
    index = ExactIndex(vectors_ID)

    def search(questions: Questions, k: int) -> tuple[Array, Array]:
        users, seen = questions.seen_US.shape
        bag = RaggedBag(questions.seen_US.reshape(-1), np.arange(users + 1, dtype=np.int64) * seen)
        return index.search(questions.query_UD, k, bag)

    return search


def open_build(_: dict[str, Any]) -> Any:
    """No settings."""
    return build


if __name__ == "__main__":
    serve_search(open_build, "shortlist")
