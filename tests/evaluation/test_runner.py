"""The evaluation of a funnel worked out by hand (see conftest), and what is left out of smaller ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shortlist.data.held_out import hold_out
from shortlist.evaluation.paired import Contender, Measure, compare
from shortlist.evaluation.protocol import questions
from shortlist.evaluation.runner import evaluate
from shortlist.funnel.sources.mixture import Mixture
from shortlist.funnel.sources.towers import TowerSource
from shortlist.index.exact import ExactIndex
from shortlist.schema import Split
from tests.evaluation import toy
from tests.evaluation.conftest import EVENTS, ITEMS, Make


def value(metrics: dict[str, object], *path: str) -> float:
    found: object = metrics
    for part in (*path, "value"):
        assert isinstance(found, dict)
        found = found[part]
    assert isinstance(found, float)
    return found


def test_every_stage_of_the_funnel_worked_out_by_hand(funnel: Make) -> None:
    metrics = evaluate(*funnel())
    assert metrics["recipe"] == "toy"
    assert metrics["protocol"]["users"] == 2
    assert metrics["protocol"]["candidates"] == 12
    assert metrics["protocol"]["catalogue"] == 15
    # Popularity shows user 1 (14, 2) and user 2 (1, 14); retrieval (2, 3) and (1, 2); the funnel (13, 12) and (12, 11).
    assert value(metrics, "stages", "popularity", "recall@2") == pytest.approx((2 / 3 + 0) / 2)
    assert value(metrics, "stages", "retrieval", "recall@2") == pytest.approx((1 / 3 + 0) / 2)
    assert value(metrics, "stages", "funnel", "recall@2") == pytest.approx((1 / 3 + 1) / 2)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert value(metrics, "stages", "funnel", "ndcg@10") == pytest.approx((1 / ideal + 1) / 2)
    assert value(metrics, "stages", "funnel", "coverage@10") == 11 / 15
    assert metrics["stages"]["funnel"]["coverage@10"]["low"] is None
    assert metrics["slices"]["new users"]["stages"]["funnel"]["recall@2"]["value"] == 1.0
    assert metrics["rows"] == {"train": 17, "valid": 1, "test": 5}
    json.dumps(metrics, allow_nan=False)


def test_lost_and_found_add_up(funnel: Make) -> None:
    metrics = evaluate(*funnel())
    assert metrics["lost"] == pytest.approx(
        {"not_in_catalogue": 0, "not_among_candidates": 1 / 6, "index": 0, "ranked_below_10": 1 / 6}
    )
    assert metrics["lost"]["index"] == 0.0
    assert metrics["found@10"] == pytest.approx(2 / 3)
    assert sum(metrics["lost"].values()) + metrics["found@10"] == pytest.approx(1)


def test_what_an_index_misses_is_found_by_comparing_with_an_exact_search(funnel: Make) -> None:
    rec, data = funnel()
    without_two = np.arange(16) != 2
    (source,) = rec.sources
    assert isinstance(source, TowerSource)
    rec.__dict__["sources"] = (replace(source, index=ExactIndex(source.vectors_ID, without_two)),)
    metrics = evaluate(rec, data)
    # User 1 now gets 3 .. 14: 14 moves up among the shown, 2 is lost by the index.
    assert metrics["lost"]["index"] == pytest.approx(1 / 6)
    assert metrics["lost"]["ranked_below_10"] == 0.0
    assert metrics["found@10"] == pytest.approx((2 / 3 + 1) / 2)


def test_items_without_a_training_event_and_without_a_table_are_not_in_the_catalogue(funnel: Make) -> None:
    events = [event for event in EVENTS if not (event.user == 3 and event.item == 14)]
    metrics = evaluate(*funnel(events=events, data={"interactions": "events.parquet"}))
    assert metrics["protocol"]["catalogue"] == 14
    assert metrics["lost"]["not_in_catalogue"] == pytest.approx(1 / 6)
    assert metrics["lost"]["not_among_candidates"] == 0.0
    assert sum(metrics["lost"].values()) + metrics["found@10"] == pytest.approx(1)


def test_what_was_seen_is_truth_again_when_it_may_be_answered(funnel: Make) -> None:
    events = [*EVENTS, toy.Event(1, 1, 230, Split.TEST)]
    seen = {"candidates": 12, "exclude_seen": False, "retrieval_weight": 0.0}
    metrics = evaluate(*funnel(events=events, funnel=seen))
    assert metrics["protocol"]["truth_items"] == 5
    assert metrics["protocol"]["truth_seen_before"] == 0


def test_without_retrieval_candidates_are_the_most_popular(funnel: Make) -> None:
    metrics = evaluate(*funnel(with_retrieval=False))
    assert sorted(metrics["stages"]) == ["funnel", "popularity", "ranking"]
    assert metrics["protocol"]["candidates_from"] == "popularity"
    assert metrics["lost"]["index"] == 0.0


def test_without_a_ranker_the_funnel_is_retrieval(funnel: Make) -> None:
    metrics = evaluate(*funnel(with_ranking=False))
    assert "ranking" not in metrics["stages"]
    assert "candidates" not in metrics["protocol"]
    assert metrics["protocol"]["positions"] == 10
    assert "calibration" not in metrics
    assert metrics["stages"]["funnel"] == metrics["stages"]["retrieval"]


@pytest.mark.parametrize("with_ranking", [True, False])
def test_no_list_is_longer_than_the_catalogue(funnel: Make, with_ranking: bool) -> None:
    of = {"candidates": 500, "retrieval_weight": 0.0}
    metrics = evaluate(*funnel(with_ranking=with_ranking, funnel=of, evaluation={"metrics": ["recall@5000"]}))
    assert metrics["protocol"]["candidates" if with_ranking else "positions"] == ITEMS


def test_several_sources_have_candidates_without_a_ranker_too(funnel: Make) -> None:
    rec, data = funnel(with_ranking=False)
    rec.__dict__["retrieval"] = Mixture(rec.sources[0], [rec.popularity], [0.5])
    assert evaluate(rec, data)["protocol"]["candidates"] == 12


def test_nobody_held_out_leaves_the_rest_of_the_result(funnel: Make) -> None:
    events = [event for event in EVENTS if event.split == Split.TRAIN]
    metrics = evaluate(*funnel(events=events, with_ranking=False))
    assert metrics["stages"] == {}
    assert metrics["protocol"]["users"] == 0


def test_validation_can_be_measured_instead(funnel: Make) -> None:
    events = [*EVENTS, toy.Event(1, 4, 120, Split.VALID)]
    metrics = evaluate(*funnel(events=events), split=Split.VALID)
    assert metrics["protocol"]["split"] == "valid"
    assert metrics["protocol"]["users"] == 1


def test_equal_runs_give_equal_figures_and_another_bundle_another_fingerprint(funnel: Make) -> None:
    rec, data = funnel()
    first, second = evaluate(rec, data), evaluate(rec, data)
    for metrics in (first, second):
        metrics.pop("timings_s")
    assert first == second
    rec.bundle.manifest["files"]["funnel.json"] = {"sha256": "other", "bytes": 1}
    assert evaluate(rec, data)["fingerprint"] != first["fingerprint"]


def test_evaluation_asks_what_the_server_would(funnel: Make) -> None:
    """A bundle that knows nothing of the test gets the same request by ids as evaluation makes from rows."""
    rec, _ = funnel(events=[event for event in EVENTS if event.split != Split.TEST])
    with_test = toy.prepared(rec.bundle.path.parent, EVENTS, users=3, items=15, shards=2)
    users = hold_out(with_test, Split.TEST, exclude_seen=True)
    served = rec.requests(["u1", "u2"], context={"time": [201, 220]})
    measured = [batch.requests for batch in questions(with_test, users)]
    assert np.concatenate([part.user_U for part in measured]).tolist() == served.user_U.tolist() == [1, 2]
    numbers = np.concatenate([part.query.numbers_BN for part in measured])
    assert numbers.tolist() == served.query.numbers_BN.tolist() == [[201], [220]]
    for u, part in enumerate(measured):
        assert part.query.ids_BF.tolist() == served.query.ids_BF[u : u + 1].tolist()
        known = served.history.rows(np.array([u]))
        assert part.history.items.values.tolist() == known.items.values.tolist()
        assert part.history.times.tolist() == known.times.tolist()
        assert part.time_U.tolist() == [served.time_U[u]]
        assert set(part.exclude.values) == set(served.exclude.rows(np.array([u])).values)
        answer = rec.run(served, 10).item_UK[u].tolist()
        assert rec.run(part, 10).item_UK[0].tolist() == answer


def test_each_event_may_be_asked_for_by_itself(tmp_path: Path) -> None:
    """User 1 is offered items 1 and 2, and goes on to 2 and then 3; user 2 comes for 1, and is offered 2 after it."""
    events = [toy.Event(1, 1, 10), toy.Event(1, 2, 200, Split.TEST), toy.Event(1, 3, 201, Split.TEST)]
    events += [toy.Event(2, 1, 210, Split.TEST), toy.Event(2, 2, 220, Split.TEST)]
    data = toy.prepared(tmp_path / "data", events, 2, 3)
    funnel = {"candidates": 3, "exclude_seen": False, "retrieval_weight": 0.0}
    of = toy.recipe(split={"requests": "event"}, funnel=funnel)
    query_UD = np.array([[0, 0, 0], [9, 8, 1], [1, 9, 0]], np.float32)
    vectors_ID = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    found = evaluate(toy.recommender(tmp_path / "bundle", data, of, query_UD=query_UD, vectors_ID=vectors_ID), data)
    assert (found["protocol"]["requests"], found["protocol"]["users"]) == (3, 2)
    assert found["protocol"]["request"].startswith("at each of the user's test events that others came before")
    assert found["stages"]["funnel"]["recall@2"]["value"] == pytest.approx(2 / 3)


def test_each_cutoff_is_measured_on_the_list_that_a_request_for_so_many_gets(funnel: Make) -> None:
    """With 10 candidates user 1 is shown 11 .. 2 and user 2 10 .. 1; asked for 12 they get 13 .. 2 and 12 .. 1."""
    funnel_of = {"candidates": 10, "retrieval_weight": 0.0}
    evaluation = {"metrics": ["recall@2", "recall@10", "recall@12"]}
    rec, data = funnel(funnel=funnel_of, evaluation=evaluation)
    metrics = evaluate(rec, data)
    assert value(metrics, "stages", "funnel", "recall@2") == 0.0
    assert value(metrics, "stages", "funnel", "recall@10") == pytest.approx((1 / 3 + 0) / 2)
    assert value(metrics, "stages", "funnel", "recall@12") == pytest.approx((2 / 3 + 1) / 2)
    assert metrics["found@10"] == pytest.approx((1 / 3 + 0) / 2)
    assert metrics["protocol"]["candidates"] == 10
    names = [f"funnel.{name}" for name in evaluation["metrics"]]
    contender = Contender(rec, data)
    for one in compare(contender, contender, [Measure.of(name) for name in names], Split.TEST):
        assert one.first == pytest.approx(value(metrics, "stages", "funnel", one.measure.metric))


def test_with_fewer_candidates_than_are_shown_a_shorter_list_is_asked_for_too(funnel: Make) -> None:
    rec, data = funnel(
        funnel={"candidates": 1, "retrieval_weight": 0.0}, evaluation={"metrics": ["recall@1", "recall@2"]}
    )
    metrics = evaluate(rec, data)
    # Of one candidate, of two, and of ten: user 1 is shown 2; 3 and 2; 11 .. 2.
    assert value(metrics, "stages", "funnel", "recall@1") == pytest.approx((1 / 3 + 0) / 2)
    assert value(metrics, "stages", "funnel", "recall@2") == pytest.approx((1 / 3 + 0) / 2)
    assert metrics["found@10"] == pytest.approx((1 / 3 + 0) / 2)
