"""The benchmark of the exact index: its data, what counts as the same answer, its goals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import index, search_numpy, search_ours
from benchmarks.harness import Options, Rounds
from benchmarks.index import Case, Measured, differing, goals_of, limits_of
from benchmarks.vectors import SEEN, Searcher, without_seen, write_vectors


def _found(contestants: dict[str, list[float]]) -> Measured:
    rounds = Rounds(contestants)
    return Measured(Case(1000, 10, 8, 2), rounds, rounds, {}, {"faiss Flat": 1}, {})


def test_both_of_ours_and_numpy_find_the_same_without_what_was_seen(tmp_path: Path) -> None:
    write_vectors(tmp_path, 500, 20, seed=0)
    answers = []
    for worker in (search_ours, search_numpy):
        searcher = Searcher(worker.build)
        searcher.open(str(tmp_path))
        searcher.answers(10, 20, str(tmp_path / "found.npz"))
        with np.load(tmp_path / "found.npz") as found:
            answers.append((found["items"], found["scores"]))
        assert searcher.batch(10)["rows"] == 20
        assert len(searcher.single(10, 25)["ms"]) == 25

    seen_US = np.load(tmp_path / "seen.npy")
    assert differing(*answers) == 0
    assert not any(np.isin(items, seen).any() for items, seen in zip(answers[0][0], seen_US, strict=True))
    # Queries are made to be nearest to what they must not find, so that leaving it out is no small matter.
    vectors_ID, query_UD = np.load(tmp_path / "vectors.npy"), np.load(tmp_path / "queries.npy")
    nearest_U = (query_UD @ vectors_ID.T).argmax(axis=1)
    assert np.mean([item in seen for item, seen in zip(nearest_U, seen_US, strict=True)]) > 0.9


def test_longer_answers_lose_what_was_seen_and_keep_their_order() -> None:
    item_UM = np.array([[5, 3, 9, 1], [2, 9, 5, 3]])
    score_UM = np.array([[0.9, 0.8, 0.7, 0.6], [0.5, 0.4, 0.3, 0.2]])
    items, scores = without_seen(item_UM, score_UM, np.array([[3, 3], [9, 4]]), 2)

    assert items.tolist() == [[5, 9], [2, 5]]
    assert scores.tolist() == [[0.9, 0.7], [0.5, 0.3]]


@pytest.mark.parametrize(
    ("items", "scores", "count"),
    [
        ([1, 2, 3], [0.9, 0.8, 0.7], 0),
        ([2, 1, 3], [0.9, 0.8, 0.7], 0),  # only scores tell the order
        ([1, 2, 4], [0.9, 0.8, 0.7], 0),  # as good as the last one
        ([1, 4, 3], [0.9, 0.8, 0.7], 1),  # an item that the other would have found
        ([1, 2, 3], [0.9, 0.8, 0.6], 1),
        ([1, 2, 2], [0.9, 0.8, 0.7], 1),
    ],
)
def test_answers_differ_when_a_better_item_is_missing(items: list[int], scores: list[float], count: int) -> None:
    reference = (np.array([[1, 2, 3]]), np.array([[0.9, 0.8, 0.7]]))

    assert differing((np.array([items]), np.array([scores])), reference) == count


def test_goals_compare_with_the_best_peer_and_ask_for_the_same_answers() -> None:
    goals = goals_of(_found({"ours": [2.0, 2.0], "faiss Flat": [1.0, 1.0], index.NUMPY: [4.0, 4.0]}))

    assert goals == {
        "1,000 items, 10 nearest: batch, times the best peer": (1, 0.5, False),
        "1,000 items, 10 nearest: single, times the best peer": (index.LEVEL, 0.5, False),
        "1,000 items, 10 nearest: answers unlike those of faiss Flat": (0, 1, False),
    }
    assert list(goals_of(_found({"ours": [2.0]}))) == ["1,000 items, 10 nearest: answers unlike those of faiss Flat"]


def test_limits_are_flops_of_a_batch_and_bytes_of_a_query() -> None:
    assert limits_of(Case(1000, 10, 8, 2), rate=256e3, bandwidth=512e3) == {
        "batch_per_cpu_s": 2.0,
        "single_per_cpu_s": 2.0,
    }


def test_runs_without_its_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "memory_bandwidth", lambda: 1e10)
    result = index.run(Options(quick=True, work=tmp_path))

    assert result.passed
    assert result.ours > 0
    assert result.peers["faiss Flat"] == "not asked"
    assert result.details["sizes"]["seen"] == SEEN
    assert result.details["cases"]["2,000 items, 10 nearest: ours"]["single_p99_ms"] > 0
