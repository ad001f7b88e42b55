"""Logs of `classical`: who had what, cut into training and test, as plain arrays that every contestant reads.

Legend: U users, I items, P events, K items of a list.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

Array = npt.NDArray[Any]

SETS = {"movielens-1m": ("ml-1m", "movielens-1m"), "gowalla": ("gowalla",)}
"""Of each real log the folders of DATA that may hold it."""
_TEST_SHARE = 0.2


def write_log(name: str, data: Path | None, size: tuple[int, int, int], seed: int, folder: Path) -> bool:
    """Leave `train.npy` and `test.npy`, users and items (P, 2), in `folder`; False where DATA does not have the log.

    Items are numbered by falling number of training events, as they are in prepared data.
    """
    if name == "generated":
        parts = _drawn(*size, seed)
    else:
        there = [data / each for each in SETS[name] if data is not None and (data / each).is_dir()]
        if not there:
            return False
        parts = _ratings(there[0], seed) if name == "movielens-1m" else _check_ins(there[0])
    for part, pairs_P2 in zip(("train", "test"), _numbered(*parts), strict=True):
        np.save(folder / f"{part}.npy", pairs_P2)
    return True


def _ratings(folder: Path, seed: int) -> tuple[Array, Array]:
    """A fifth of the ratings, drawn at random, is the test."""
    table = pq.read_table(folder / "ratings.parquet", columns=["user_id", "movie_id"])
    pairs_P2 = np.stack([column.to_numpy() for column in table.columns], 1)
    in_test_P = np.random.default_rng(seed).random(len(pairs_P2)) < _TEST_SHARE
    return pairs_P2[~in_test_P], pairs_P2[in_test_P]


def _check_ins(folder: Path) -> tuple[Array, Array]:
    train, test = (
        np.stack([column.to_numpy() for column in pq.read_table(folder / f"{part}.parquet").columns], 1)
        for part in ("train", "test")
    )
    return train, test


def _drawn(users: int, items: int, events: int, seed: int) -> tuple[Array, Array]:
    """Users who draw from the items of their own taste and from all, popular items more often."""
    random = np.random.default_rng(seed)
    user_P = np.floor(users * random.random(events) ** 1.5).astype(np.int64)
    item_P = np.floor(items * random.random(events) ** 3).astype(np.int64)
    tastes = max(2, items // 100)
    own_P = random.random(events) < 0.7
    item_P[own_P] -= (item_P[own_P] - user_P[own_P]) % tastes
    pairs_P2 = np.unique(np.stack([user_P, np.maximum(item_P, 0)], 1), axis=0)
    in_test_P = random.random(len(pairs_P2)) < _TEST_SHARE
    return pairs_P2[~in_test_P], pairs_P2[in_test_P]


def _numbered(train_P2: Array, test_P2: Array) -> tuple[Array, Array]:
    """Users and items from 0 on; test events of users or items that training does not have are left out."""
    users = np.unique(train_P2[:, 0])
    items, count_I = np.unique(train_P2[:, 1], return_counts=True)
    place_I = np.empty(len(items), np.int64)
    place_I[np.argsort(-count_I, kind="stable")] = np.arange(len(items))
    known_P = np.isin(test_P2[:, 0], users) & np.isin(test_P2[:, 1], items)
    train, test = (
        np.stack([np.searchsorted(users, pairs[:, 0]), place_I[np.searchsorted(items, pairs[:, 1])]], 1).astype(
            np.int32
        )
        for pairs in (train_P2, test_P2[known_P])
    )
    return train, test


def ndcg(item_UK: Array, test_P2: Array) -> float:
    """Mean NDCG@K of users with test events; the ideal list has as many of them as fit."""
    users, k = item_UK.shape
    count_U = np.bincount(test_P2[:, 0], minlength=users)
    width = int(max(item_UK.max(), test_P2[:, 1].max())) + 1
    relevant_P = test_P2[:, 0].astype(np.int64) * width + test_P2[:, 1]
    hit_UK = np.isin(np.arange(users)[:, None] * width + item_UK, relevant_P) & (item_UK >= 0)
    discount_K = 1 / np.log2(np.arange(2, k + 2))
    ideal_U = np.concatenate([np.zeros(1), np.cumsum(discount_K)])[np.minimum(count_U, k)]
    asked_U = count_U > 0
    return float(((hit_UK * discount_K).sum(1)[asked_U] / ideal_U[asked_U]).mean())
