"""Negative sampling: never a positive it was told of, each source by its own distribution, 0 where nothing is left."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.core.seeding import stream
from shortlist.data import negatives
from shortlist.data.negatives import NegativeSampler, Uniform, sorted_within
from shortlist.features.rows import Ints, RaggedBag

ITEMS = 6
"""Item rows 1 to 5."""
Source = Literal["uniform", "popularity", "candidates"]


def uniform(rows: int, n: int, seed: int = 0) -> Uniform:
    return lambda number: stream(seed, number).random((rows, n))


def candidates(users: int) -> Ints:
    return np.tile(np.array([1, 3, 5], np.int32), (users, 1))


@given(
    positives=st.lists(st.lists(st.integers(1, ITEMS - 1), max_size=6), min_size=1, max_size=4),
    source=st.sampled_from(["uniform", "popularity", "candidates"]),
    n=st.integers(1, 9),
)
def test_never_gives_a_positive(positives: list[list[int]], source: Source, n: int) -> None:
    users = len(positives)
    counts = np.array([0, 5, 4, 3, 2, 1])
    sampler = NegativeSampler(source, counts, RaggedBag.of(positives), candidates(users))
    drawn = sampler.sample(np.arange(users, dtype=np.int32), n, uniform(users, n))

    assert drawn.shape == (users, n)
    assert drawn.dtype == np.int32
    for user, items in enumerate(drawn.tolist()):
        assert not set(items) & set(positives[user])
        assert all(0 <= item < ITEMS for item in items)
        if source == "candidates":
            assert set(items) <= {0, 1, 3, 5}


@pytest.mark.parametrize("source", ["uniform", "popularity", "candidates"])
def test_a_user_who_has_everything_gets_nothing(source: Source) -> None:
    everything = RaggedBag.of([[1, 2, 3, 4, 5], []])
    sampler = NegativeSampler(source, np.ones(ITEMS, np.int64), everything, candidates(2))
    drawn = sampler.sample(np.array([0, 1], np.int32), 4, uniform(2, 4))

    assert drawn[0].tolist() == [0] * 4
    assert (drawn[1] > 0).all()


def shares(sampler: NegativeSampler, draws: int = 20_000) -> list[float]:
    drawn = sampler.sample(np.zeros(1, np.int32), draws, uniform(1, draws))
    return [float(count) / draws for count in np.bincount(drawn[0], minlength=ITEMS)]


NOTHING = RaggedBag.of([[]])


def test_popular_items_are_drawn_as_often_as_they_occur() -> None:
    """Twenty thousand draws of a share of 0.5 deviate by 0.0035: 0.02 is more than five of that."""
    sampler = NegativeSampler("popularity", np.array([99, 10, 5, 0, 4, 1]), NOTHING)

    assert shares(sampler) == pytest.approx([0, 0.5, 0.25, 0, 0.2, 0.05], abs=0.02)


def test_uniform_draws_leave_no_item_out() -> None:
    sampler = NegativeSampler("uniform", np.array([99, 10, 5, 0, 4, 1]), NOTHING)

    assert shares(sampler) == pytest.approx([0, 0.2, 0.2, 0.2, 0.2, 0.2], abs=0.02)


def test_a_positives_share_goes_to_the_others() -> None:
    sampler = NegativeSampler("uniform", np.ones(ITEMS, np.int64), RaggedBag.of([[2, 4]]))

    assert shares(sampler) == pytest.approx([0, 1 / 3, 0, 1 / 3, 0, 1 / 3], abs=0.02)


def test_candidates_are_the_users_own_and_padding_is_drawn_again() -> None:
    """A user with fewer candidates than others has a row that ends in 0."""
    padded = np.array([[2, 0, 0, 0], [3, 4, 5, 1]], np.int32)
    sampler = NegativeSampler("candidates", np.ones(ITEMS, np.int64), RaggedBag.of([[], [3]]), padded)
    drawn = sampler.sample(np.array([0, 1], np.int32), 2_000, uniform(2, 2_000))

    assert set(drawn[0].tolist()) <= {0, 2}
    assert (drawn[0] == 2).mean() > 0.9
    assert set(drawn[1].tolist()) == {1, 4, 5}


@pytest.mark.parametrize("source", ["uniform", "popularity", "candidates"])
def test_what_is_drawn_for_a_row_follows_from_its_own_numbers(source: Source) -> None:
    """About a quarter of the draws are drawn again, so that rounds differ in length."""
    positives = RaggedBag.of([[1], [2, 3], [4, 5], []])
    sampler = NegativeSampler(source, np.ones(ITEMS, np.int64), positives, candidates(4))
    user_B = np.tile(np.arange(4, dtype=np.int32), 10)
    whole = sampler.sample(user_B, 9, uniform(40, 9))
    part = sampler.sample(user_B[13:29], 9, lambda number: uniform(40, 9)(number)[13:29])

    assert part.tolist() == whole[13:29].tolist()
    assert whole.tolist() != sampler.sample(user_B, 9, uniform(40, 9, seed=1)).tolist()


def test_candidates_need_candidates() -> None:
    with pytest.raises(ValueError, match="needs candidates_UK"):
        NegativeSampler("candidates", np.ones(ITEMS, np.int64), NOTHING)


@given(
    positives=st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=9),
    chunk=st.sampled_from([1, 4, 99]),
)
def test_each_users_items_are_sorted_and_there_once(positives: list[list[int]], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(negatives, "CHUNK", chunk)
        found = sorted_within(RaggedBag.of(positives))

    assert found.values.dtype == np.int32
    lists = [found.values[a:b].tolist() for a, b in zip(found.offsets_n[:-1], found.offsets_n[1:], strict=True)]
    assert lists == [sorted(set(items)) for items in positives]


@given(positives=st.lists(st.lists(st.integers(1, 40), max_size=40), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_a_positive_is_known_whatever_the_users_before_and_after_have(positives: list[list[int]], seed: int) -> None:
    sampler = NegativeSampler("uniform", np.ones(50, np.int64), RaggedBag.of(positives))
    random = np.random.default_rng(seed)
    user_B = random.integers(0, len(positives), 20).astype(np.int32)
    item_Bn = random.integers(0, 50, (20, 3)).astype(np.int32)

    expected = [
        [item in positives[user] for item in items] for user, items in zip(user_B, item_Bn.tolist(), strict=True)
    ]
    assert sampler._is_positive(user_B, item_Bn).tolist() == expected
