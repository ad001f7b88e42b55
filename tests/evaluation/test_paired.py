"""Two recommenders on the same users and rows, against what a loop over the users finds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from shortlist.core.errors import DataError, UserError
from shortlist.data.held_out import hold_out
from shortlist.evaluation.paired import Comparison, Contender, Measure, compare, value_of
from shortlist.evaluation.protocol import questions
from shortlist.evaluation.runner import evaluate
from shortlist.metrics._interval import Estimate
from shortlist.schema import Split
from tests.evaluation import toy
from tests.evaluation.conftest import EVENTS, Make

USERS, ITEMS = 30, 20
NDCG, AUC = Measure.of("funnel.ndcg@10"), Measure.of("ranking.auc")


def contender(
    folder: Path, seed: int, late: int = 300, held_out: int = 8, negatives: int = 0, drawn_by: int = 0
) -> Contender:
    """Random towers and a random ranker over the same events, for any seed; `held_out` decides their items."""
    folder.mkdir()
    drawn = np.random.default_rng(held_out)
    events = [toy.Event(1 + i % USERS, 1 + i % ITEMS, i, target=float(i % 3 > 0)) for i in range(60)]
    for user in range(1, USERS + 1):
        items = drawn.choice(np.arange(1, ITEMS + 1), 3, replace=False)
        events += [toy.Event(user, int(item), late + k, Split.TEST, float(k > 0)) for k, item in enumerate(items)]
    data = toy.prepared(folder, events, USERS, ITEMS)
    of = toy.recipe(
        seed=drawn_by,
        retrieval={},
        ranking={"negatives": {"sampled": negatives}},
        funnel={"candidates": 12, "exclude_seen": False},
    )
    random = np.random.default_rng(seed)
    query_UD, vectors_ID, logit_UI = (
        random.normal(size=shape).astype(np.float32) for shape in ((31, 3), (21, 3), (31, 21))
    )
    rec = toy.recommender(
        folder / "bundle", data, of, query_UD=query_UD, vectors_ID=vectors_ID, logit_UI=logit_UI, weight=0.0
    )
    return Contender(rec, data)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Contender, Contender]:
    return contender(tmp_path / "first", 1), contender(tmp_path / "second", 2)


def ndcg_by_user(one: Contender) -> dict[int, float]:
    """NDCG@10 of each user of the test, one after the other."""
    users = hold_out(one.prepared, Split.TEST, exclude_seen=False)
    found = {}
    for batch in questions(one.prepared, users, size=1):
        (items,) = one.recommender.run(batch.requests, 10).item_UK.tolist()
        truth = set(batch.truth.values.tolist())
        gain = sum(1 / math.log2(2 + place) for place, item in enumerate(items) if item in truth)
        ideal = sum(1 / math.log2(2 + place) for place in range(min(len(truth), 10)))
        found[int(users.user_U[batch.place_U[0]])] = gain / ideal
    return found


def test_lists_are_compared_within_each_user(two: tuple[Contender, Contender]) -> None:
    a, b = map(ndcg_by_user, two)
    differences = np.array([b[user] - a[user] for user in a])
    half = 1.959964 * differences.std(ddof=1) / math.sqrt(len(differences))
    (found,) = compare(*two, [NDCG], Split.TEST)

    assert found.first == pytest.approx(np.mean(list(a.values())))
    assert found.second == pytest.approx(np.mean(list(b.values())))
    assert found.difference.value == pytest.approx(differences.mean())
    assert found.difference.high == pytest.approx(differences.mean() + half, rel=1e-6)


def test_values_are_those_of_the_evaluation(two: tuple[Contender, Contender]) -> None:
    stages = evaluate(two[0].recommender, two[0].prepared)["stages"]
    names = ["funnel.ndcg@10", "retrieval.recall@2", "popularity.ndcg@10", "ranking.auc", "ranking.log_loss"]
    measures = [Measure.of(name) for name in names]
    found = compare(*two, measures, Split.TEST)

    assert [one.measure for one in found] == measures
    for one in found:
        assert one.first == pytest.approx(stages[one.measure.stage][one.measure.metric]["value"])
        assert one.first == pytest.approx(value_of(two[0], one.measure, Split.TEST))
        assert one.difference.value == pytest.approx(one.second - one.first)
        assert one.difference.low <= one.difference.value <= one.difference.high


def test_a_recommender_is_no_different_from_itself(two: tuple[Contender, Contender]) -> None:
    for found in compare(two[0], two[0], [NDCG, AUC], Split.TEST):
        assert found.difference.value == 0
        assert not found.better
        assert not found.worse
        assert found.as_dict()["verdict"] == "no different"


@pytest.mark.parametrize(
    ("name", "low", "high", "verdict"),
    [
        ("funnel.ndcg@10", 0.01, 0.03, "better"),
        ("funnel.ndcg@10", -0.01, 0.03, "no different"),
        ("funnel.ndcg@10", -0.03, -0.01, "worse"),
        ("ranking.log_loss", 0.01, 0.03, "worse"),
        ("ranking.log_loss", -0.03, -0.01, "better"),
    ],
)
def test_the_verdict_knows_which_way_is_better(name: str, low: float, high: float, verdict: str) -> None:
    found = Comparison(Measure.of(name), 0.5, 0.5 + (low + high) / 2, Estimate((low + high) / 2, low, high))

    assert found.as_dict()["verdict"] == verdict


def test_other_users_are_not_compared(two: tuple[Contender, Contender], funnel: Make) -> None:
    other = Contender(*funnel())
    for measure in (NDCG, AUC):
        with pytest.raises(DataError, match="the two"):
            compare(two[0], other, [measure], Split.TEST)


@pytest.mark.parametrize("measure", [NDCG, AUC])
def test_the_same_users_with_other_items_are_not_compared(
    two: tuple[Contender, Contender], tmp_path: Path, measure: Measure
) -> None:
    with pytest.raises(DataError, match="or as many others"):
        compare(two[0], contender(tmp_path / "other", 2, held_out=9), [measure], Split.TEST)


def test_rankers_are_compared_on_the_same_negatives_alone(tmp_path: Path) -> None:
    first, second, other = (
        contender(tmp_path / name, seed, negatives=2, drawn_by=drawn_by)
        for name, seed, drawn_by in (("first", 1, 5), ("second", 2, 5), ("other", 2, 6))
    )
    (found,) = compare(first, second, [AUC], Split.TEST)
    assert found.first == pytest.approx(value_of(first, AUC, Split.TEST))
    with pytest.raises(DataError, match="not measured on the same rows"):
        compare(first, other, [AUC], Split.TEST)


def test_without_an_interval_there_is_no_verdict() -> None:
    found = Comparison(Measure.of("ranking.r2"), 0.5, math.nan, Estimate(math.nan, math.nan, math.nan))
    said = found.as_dict()

    assert not found.has_interval
    assert said == {"first": 0.5, "second": None, "value": None, "low": None, "high": None, "verdict": "unknown"}


@pytest.mark.parametrize(
    ("name", "second", "good"),
    [
        ("ranking.r2", 0.6, True),
        ("ranking.r2", 0.5, True),
        ("ranking.r2", 0.4, False),
        ("ranking.log_loss", 0.4, True),
        ("ranking.log_loss", 0.6, False),
        ("ranking.r2", math.nan, False),
    ],
)
def test_values_alone_know_which_way_is_better(name: str, second: float, good: bool) -> None:
    found = Comparison(Measure.of(name), 0.5, second, Estimate(second - 0.5, math.nan, math.nan))

    assert found.at_least_as_good is good


def test_without_a_ranker_there_is_no_metric_of_it(funnel: Make) -> None:
    with pytest.raises(DataError, match="no ranker"):
        value_of(Contender(*funnel(with_ranking=False)), AUC, Split.TEST)


def test_where_nothing_is_held_out_nothing_is_measured(funnel: Make) -> None:
    events = [event for event in EVENTS if event.split == Split.TRAIN]
    with pytest.raises(DataError, match="no user has a relevant event in the test split"):
        value_of(Contender(*funnel(events=events)), NDCG, Split.TEST)


@pytest.mark.parametrize(
    "name", ["ndcg@10", "funel.ndcg@10", "funnel.auc", "funnel.ndcg", "ranking.ndcg@10", "ranking.rmse"]
)
def test_what_cannot_be_compared_is_told(name: str) -> None:
    with pytest.raises(UserError, match="`"):
        Measure.of(name)
