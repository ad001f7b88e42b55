"""The planted click log: its sizes, its law, and the best AUC that it allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.click_training import Log, auc
from benchmarks.clicks import CARDINALITIES, TINY, Clicks, write_clicks, zipf
from shortlist.metrics.auc import auc as our_auc


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_possible_auc_is_about_80_percent(seed: int) -> None:
    rows = Clicks(seed=seed).rows(40_000, 1)
    assert 0.78 < rows.best_auc < 0.82
    assert 0.2 < rows.label_n.mean() < 0.4


def test_the_sizes_are_those_that_are_promised() -> None:
    assert len(CARDINALITIES) == 26
    assert min(CARDINALITIES) == 10
    assert max(CARDINALITIES) == 1_000_000
    assert 4.5e6 < sum(CARDINALITIES) < 5.5e6


def test_interactions_and_squares_are_part_of_the_law() -> None:
    """A linear model of the numbers alone is far from the best; of the probability's own inputs none may be missing."""
    rows = Clicks(TINY, seed=0).rows(20_000, 1)
    design = np.column_stack([rows.numbers_nN, np.ones(len(rows))])
    weights, *_ = np.linalg.lstsq(design, rows.label_n, rcond=None)
    assert 0.5 < our_auc(design @ weights, rows.label_n) < rows.best_auc - 0.05


def test_ids_follow_zipf_and_stay_below_their_number() -> None:
    uniform = np.random.default_rng(0).random(100_000)
    ids = zipf(uniform, 1000, exponent=1.1)
    counts = np.bincount(ids, minlength=1000)
    assert counts.size == 1000
    assert counts[0] > counts[9] > counts[99] > counts[999]
    assert zipf(np.array([0.0, 1 - 1e-12]), 10).tolist() == [0, 9]


def test_parts_differ_and_are_the_same_each_time(tmp_path: Path) -> None:
    first, again, other = (Clicks(TINY, seed=5).rows(100, part) for part in (0, 0, 1))
    assert np.array_equal(first.ids_nF, again.ids_nF)
    assert np.array_equal(first.label_n, again.label_n)
    assert not np.array_equal(first.ids_nF, other.ids_nF)
    facts = write_clicks(tmp_path / "log", 200, 100, TINY, 5)
    assert facts["rows"] == {"train": 200, "valid": 100, "test": 100}
    numbers, ids, label = Log(str(tmp_path / "log")).part("train")
    assert numbers.shape == (200, 13)
    assert ids.shape == (200, 26)
    assert label.shape == (200,)
    assert write_clicks(tmp_path / "log", 200, 100, TINY, 5) == facts


def test_the_workers_auc_is_ours() -> None:
    random = np.random.default_rng(0)
    score, label = random.integers(0, 20, 500).astype(np.float32), (random.random(500) < 0.3).astype(np.float32)
    assert auc(score, label) == pytest.approx(our_auc(score, label))
