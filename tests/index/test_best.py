"""The k best of scores that come in blocks, against a sort of all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.features.rows import Floats
from shortlist.index import best
from shortlist.index.best import Best, keys, scores

any_score = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, -np.inf, np.inf, np.nan])


def sorted_all(score_IQ: Floats, k: int) -> list[list[tuple[int, float]]]:
    """Of each query its k best finite-or-infinite scores; Python's sort is stable, so the lower item comes first."""
    found = []
    for score_I in score_IQ.T.tolist():
        items = [(item, score) for item, score in enumerate(score_I) if score > -np.inf]
        found.append(sorted(items, key=lambda pair: -pair[1])[:k])
    return found


def in_blocks(score_IQ: Floats, k: int, block: int) -> list[list[tuple[int, float]]]:
    kept = Best(score_IQ.shape[1], k)
    for start in range(0, len(score_IQ), block):
        kept.add(np.ascontiguousarray(score_IQ[start : start + block]), start)
    item_QK, score_QK = kept.sorted()
    assert item_QK.shape == score_QK.shape == (score_IQ.shape[1], k)
    missing = np.isneginf(score_QK)
    assert (item_QK[missing] == 0).all()
    return [
        [pair for pair in zip(items, found, strict=True) if pair[1] > -np.inf]
        for items, found in zip(item_QK.tolist(), score_QK.tolist(), strict=True)
    ]


@given(
    scores_I2=st.lists(st.lists(any_score, min_size=2, max_size=2), min_size=1, max_size=40),
    k=st.integers(1, 12),
    block=st.integers(1, 41),
)
def test_equals_a_sort_of_everything(scores_I2: list[list[float]], k: int, block: int) -> None:
    score_IQ = np.array(scores_I2, np.float32)

    assert in_blocks(score_IQ, k, block) == sorted_all(score_IQ, k)


@pytest.mark.parametrize("order", ["rising", "falling", "equal", "shuffled"])
def test_any_order_of_the_items_gives_the_same(order: str) -> None:
    rising_I = np.arange(1000, dtype=np.float32)
    score_I = {
        "rising": rising_I,
        "falling": rising_I[::-1],
        "equal": np.ones(1000, np.float32),
        "shuffled": np.random.default_rng(0).permutation(rising_I),
    }[order]
    score_IQ = np.stack([score_I, -score_I, score_I % 7], axis=1).astype(np.float32)

    assert in_blocks(score_IQ, 5, 100) == sorted_all(score_IQ, 5)


def test_only_a_few_scores_of_a_block_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    def counted(score_M: Floats, item_M: npt.NDArray[np.int64]) -> best.Keys:
        looked_at.append(len(score_M))
        return keys(score_M, item_M)

    monkeypatch.setattr(best, "keys", counted)
    score_IQ = np.random.default_rng(0).standard_normal((20_000, 4)).astype(np.float32)
    in_blocks(score_IQ, 10, 1000)

    # Of a random order k ln(I / k) are once among the k best; half as many again, as floors rise only now and then.
    assert sum(looked_at) < 4 * 10 * 1.7 * np.log(20_000 / 10)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2), st.integers(0, 2**31 - 2))
def test_keys_fall_as_scores_rise_and_rise_with_the_item(pair: list[float], item: int) -> None:
    score_M = np.array(pair, np.float32)
    low, high = keys(score_M, np.full(2, item))

    assert scores(np.array([low, high])).tolist() == score_M.tolist()
    assert (low < high) == (score_M[0] > score_M[1])
    assert (low == high) == (score_M[0] == score_M[1])
    assert (keys(score_M, np.full(2, item + 1)) > np.array([low, high])).all()
