"""Items drawn as negatives: how often each comes is what the log of its probability says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shortlist.data.item_negatives import DrawnItems, ItemDraws
from shortlist.recipe.retrieval import ItemNegatives

COUNT_I = np.array([0, 40, 20, 10, 5, 2, 1, 1, 1])
"""Of eight items; row 0 stands for none."""
SHARE_I = COUNT_I / COUNT_I.sum()
TIMES = 4_000


def draws(**settings: object) -> ItemDraws:
    return ItemDraws(ItemNegatives.model_validate(settings), COUNT_I)


def told(drawn: DrawnItems) -> npt.NDArray[np.float64]:
    """By item what is said of it; not a number of items that are not there."""
    said_I = np.full(len(COUNT_I), np.nan)
    said_I[drawn.item] = np.exp(drawn.log_q)
    return said_I


@pytest.mark.parametrize(
    "settings",
    [
        {"source": "in_batch"},
        {"source": "uniform", "count": 3},
        {"source": "popularity", "count": 4, "alpha": 0.5},
        {"source": "mixed", "count": 2},
    ],
    ids=lambda settings: settings["source"],
)
def test_an_item_is_among_them_as_often_as_is_said(settings: dict[str, object]) -> None:
    """Asked of item 1, whose batch has five other rows: where it was drawn itself it is masked, and no negative."""
    random, some = np.random.default_rng(0), draws(**settings)
    times_I, said_I = np.zeros(len(COUNT_I)), np.full(len(COUNT_I), np.nan)
    for _ in range(TIMES):
        own = np.unique(np.append(random.choice(len(COUNT_I), 5, p=SHARE_I), 1)).astype(np.int32)
        found = some.for_all(own, 6, random)
        assert len(np.unique(found.item)) == len(found.item)
        times_I[found.item] += 1
        said_I = np.fmax(said_I, told(found))

    others = slice(2, None)
    error_I = 4 * np.sqrt(said_I * (1 - said_I) / TIMES)
    assert times_I[0] == 0
    assert (np.abs(times_I / TIMES - said_I)[others] < error_I[others]).all()


@pytest.mark.parametrize("settings", [{"source": "uniform"}, {"source": "popularity", "alpha": 2.0}], ids=str)
def test_each_row_is_to_expect_an_item_as_often_as_is_said(settings: dict[str, object]) -> None:
    found = draws(**settings, shared=False, count=3).for_each(TIMES, np.random.default_rng(0))
    said_I = told(found)
    times_I = np.bincount(found.item.ravel(), minlength=len(COUNT_I)) / TIMES

    assert found.item.shape == found.log_q.shape == (TIMES, 3)
    assert times_I[0] == 0
    assert times_I[1:3] == pytest.approx(said_I[1:3], rel=0.05)
    assert np.nansum(said_I) == pytest.approx(3, abs=0.01)


def test_popularity_is_to_the_power_asked_for() -> None:
    found = draws(source="popularity", alpha=1.0, shared=False, count=1).for_each(TIMES, np.random.default_rng(0))

    assert told(found)[1:4] == pytest.approx(SHARE_I[1:4])
    assert told(
        draws(source="popularity", alpha=0.0, count=8).for_all(np.array([1], np.int32), 2, np.random.default_rng(0))
    )[1] == pytest.approx(1 - (7 / 8) ** 8)


def test_the_catalogue_is_every_item_and_certain() -> None:
    found = draws(source="catalogue").for_all(np.array([2, 3], np.int32), 2, np.random.default_rng(0))

    assert found.item.tolist() == list(range(1, 9))
    assert found.log_q.tolist() == [0.0] * 8


def test_no_more_are_drawn_than_there_are() -> None:
    found = draws(source="uniform", count=100).for_all(np.array([2], np.int32), 1, np.random.default_rng(0))

    assert found.item.tolist() == list(range(1, 9))
    assert found.log_q.tolist() == [0.0] * 8


def test_a_catalogue_of_one_item() -> None:
    alone, one = np.array([0, 7]), np.array([1], np.int32)
    for source in ("in_batch", "uniform", "popularity", "mixed", "catalogue"):
        found = ItemDraws(ItemNegatives.model_validate({"source": source}), alone).for_all(
            one, 1, np.random.default_rng(0)
        )
        assert found.item.tolist() == [1]
        assert np.isfinite(found.log_q).all()
