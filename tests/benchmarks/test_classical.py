"""The benchmark of classical models: its data, its measure, its goals, and that it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import classical
from benchmarks.classical_data import ndcg, write_log
from benchmarks.classical_ours import contestant
from benchmarks.harness import Options


def test_a_generated_log_has_no_event_twice_and_items_by_falling_count(tmp_path: Path) -> None:
    assert write_log("generated", None, (60, 40, 900), 1, tmp_path)
    train, test = (np.load(tmp_path / f"{part}.npy") for part in ("train", "test"))
    together = np.concatenate([train, test])

    assert len(np.unique(together, axis=0)) == len(together)
    assert (np.diff(np.bincount(train[:, 1])) <= 0).all()
    assert set(test[:, 0]) <= set(train[:, 0])
    assert len(test) > 50


def test_a_log_that_is_not_there_is_said_to_be_absent(tmp_path: Path) -> None:
    assert not write_log("gowalla", tmp_path, (1, 1, 1), 0, tmp_path)
    assert not write_log("movielens-1m", None, (1, 1, 1), 0, tmp_path)


def test_ndcg_by_hand() -> None:
    test_P2 = np.array([[0, 4], [0, 7], [2, 1], [2, 2], [2, 3]])
    item_UK = np.array([[7, 9], [4, 7], [5, 3]])
    second = 1 / np.log2(3)

    assert ndcg(item_UK, test_P2) == pytest.approx((1 / (1 + second) + second / (1 + second)) / 2)
    assert ndcg(np.array([[-1, -1], [4, 7], [-1, 1]]), test_P2) == pytest.approx(second / (1 + second) / 2)


def test_ours_fits_and_recommends_what_users_did_not_have(tmp_path: Path) -> None:
    write_log("generated", None, (60, 80, 900), 0, tmp_path)
    train = np.load(tmp_path / "train.npy")
    had = set(map(tuple, train.tolist()))
    one = contestant()
    for model in one.open(str(tmp_path))["models"]:
        assert one.fit(model, 0)["rows"] == len(train)
        assert one.recommend(model, 0, 5, str(tmp_path / "found.npy"))["rows"] == train[:, 0].max() + 1
        found = np.load(tmp_path / "found.npy")
        assert not any((user, item) in had for user, items in enumerate(found.tolist()) for item in items)


def test_only_what_starts_at_random_depends_on_the_seed(tmp_path: Path) -> None:
    write_log("generated", None, (60, 80, 900), 0, tmp_path)
    one = contestant()
    for model in one.open(str(tmp_path))["models"]:
        for seed in (0, 1):
            one.fit(model, seed)
        for seed in (0, 1):
            one.recommend(model, seed, 20, str(tmp_path / f"{seed}.npy"))
        same = (np.load(tmp_path / "0.npy") == np.load(tmp_path / "1.npy")).all()
        assert same == (model != "ALS")


def test_ours_is_held_against_the_best_peer() -> None:
    assert classical.over_best({"ours": 3.0, "implicit": 1.0, "RecTools": 2.0}) == 1.5
    assert classical.over_best({"ours": 3.0}) is None


@pytest.mark.slow
def test_a_quick_run_measures_without_goals(tmp_path: Path) -> None:
    result = classical.run(Options(quick=True, work=tmp_path))

    assert result.passed
    assert result.goals == {}
    assert 0 < result.details["cases"]["generated, ALS: ours"]["ndcg@20"] < 1
