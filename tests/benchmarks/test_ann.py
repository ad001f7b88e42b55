"""The benchmark of the approximate indexes: its goals and its data."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ann import CASES, LARGE, Case, goals_of
from benchmarks.embeddings import DIM, SEEN, embeddings


def test_goals_are_of_what_is_taken_for_many_items_and_of_every_filter() -> None:
    good = {"recall@100": 0.99, "p50_ms": 0.8, "short_of_k": 0}
    bad = {"recall@100": 0.5, "p50_ms": 9.0, "short_of_k": 2}
    lists, graph, small = Case(LARGE, False, ()), Case(LARGE, True, ()), Case(200_000, True, ())
    goals = goals_of(
        {lists: {"faiss, lists": good, "exact": bad}, graph: {"faiss, lists": bad, "faiss, graph": good}, small: {}}
    )

    assert goals == {
        f"{lists.name}: faiss, lists, recall@100": (0.98, 0.99, True),
        f"{lists.name}: faiss, lists, ms a query at the median": (1.0, 0.8, True),
        f"{graph.name}: faiss, graph, recall@100": (0.98, 0.99, True),
        f"{graph.name}: faiss, graph, ms a query at the median": (1.0, 0.8, True),
        "answers with fewer than k, of all filters": (0, 4, False),
    }


@pytest.mark.parametrize("case", CASES)
def test_what_is_taken_is_measured(case: Case) -> None:
    assert case.taken in case.ways


def test_vectors_differ_in_length_or_have_one_and_are_the_same_again() -> None:
    made, again, unit = embeddings(500, 7, 0), embeddings(500, 7, 0), embeddings(500, 7, 0, of_one_length=True)
    lengths = np.linalg.norm(made.vectors_ID[1:], axis=1)

    assert made.vectors_ID.shape == (501, DIM)
    assert made.vectors_ID.tobytes() == again.vectors_ID.tobytes()
    assert not made.vectors_ID[0].any()
    assert lengths.max() > 3 * lengths.min()
    assert np.allclose(np.linalg.norm(unit.vectors_ID[1:], axis=1), 1, atol=1e-5)
    assert made.seen.counts().tolist() == [SEEN] * 7
    assert made.seen.values.min() > 0
