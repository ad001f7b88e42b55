"""The benchmark of the approximate indexes: its goals and its data."""

from __future__ import annotations

import numpy as np

from benchmarks.ann import OURS, goals_of
from benchmarks.embeddings import DIM, SEEN, embeddings


def test_goals_are_of_the_first_case_and_of_every_filter() -> None:
    good = {"recall@100": 0.99, "p50_ms": 0.8, "short_of_k": 0}
    bad = {"recall@100": 0.5, "p50_ms": 9.0, "short_of_k": 2}
    goals = goals_of({"first": {OURS: good, "exact": good}, "second": {OURS: bad}})

    assert goals == {
        f"first: {OURS}, recall@100": (0.98, 0.99, True),
        f"first: {OURS}, ms a query at the median": (1.0, 0.8, True),
        "answers with fewer than k, of all filters": (0, 2, False),
    }


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
