"""The worker of `index` that does it by hand: all scores of a block of queries, then a partition of each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.vectors import Array, Questions, Search, serve_search

SCORES = 2**24
"""Scores held at once: 64 MiB."""


def build(vectors_ID: Array) -> Search:
    """One product and one `argpartition` a block."""

    def search(questions: Questions, k: int) -> tuple[Array, Array]:
        block = max(1, SCORES // len(vectors_ID))
        parts = [part(questions.rows(start, start + block), k) for start in range(0, len(questions), block)]
        return np.concatenate([items for items, _ in parts]), np.concatenate([scores for _, scores in parts])

    def part(questions: Questions, k: int) -> tuple[Array, Array]:
        score_UI = questions.query_UD @ vectors_ID.T
        score_UI[:, 0] = -np.inf
        np.put_along_axis(score_UI, questions.seen_US, -np.inf, axis=1)
        # The highest at the end: turning the signs of all scores would cost more.
        last = score_UI.shape[1] - k
        item_UK = np.argpartition(score_UI, last, axis=1)[:, last:]
        score_UK = np.take_along_axis(score_UI, item_UK, axis=1)
        order_UK = np.argsort(-score_UK, axis=1)
        return np.take_along_axis(item_UK, order_UK, axis=1), np.take_along_axis(score_UK, order_UK, axis=1)

    return search


def open_build(_: dict[str, Any]) -> Any:
    """No settings."""
    return build


if __name__ == "__main__":
    serve_search(open_build)
