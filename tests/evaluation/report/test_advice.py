"""What to try next: every rule speaks where its figures give cause, with these figures, and is silent elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shortlist.evaluation.report import advice
from shortlist.evaluation.report.facts import Facts
from tests.evaluation.report.conftest import curve, measured, stage

Make = Callable[..., Facts]


def slices(name: str, users: int, recall: float, ndcg: float) -> dict[str, Any]:
    entry = {"what": "w", "requests": users, "stages": {s: stage(recall, ndcg, 0.3) for s in ("popularity", "funnel")}}
    return {"slices": {name: entry}}


def stages(facts: Facts, **changed: Any) -> dict[str, Any]:
    return {"stages": {**facts.stages, **changed}}


def lost(candidates: float, below: float) -> dict[str, Any]:
    shares = {"not_in_catalogue": 0.0, "not_among_candidates": candidates, "index": 0.0, "ranked_below_10": below}
    return {"lost": shares, "found@10": 1 - candidates - below}


def test_a_run_in_which_nothing_stands_out_gets_no_advice(facts: Make) -> None:
    assert [rule.__name__ for rule in advice.RULES if rule(facts())] == []
    assert "No figure of this run stands out" in advice.advice(facts())


def test_truth_lost_before_the_ranker(facts: Make) -> None:
    given = advice.lost_among_candidates(facts(lost(0.588, 0.241)))
    assert given is not None
    assert "58.8 %" in given.evidence
    assert "24.1 %" in given.evidence
    assert "funnel.candidates = 1000" in given.action
    few = advice.lost_among_candidates(facts({**lost(0.5, 0.2), "protocol": {**facts().protocol, "catalogue": 600}}))
    assert few is not None
    assert "funnel.candidates" not in few.action


def test_without_a_ranker_nothing_is_said_of_one(facts: Make) -> None:
    without = {name: found for name, found in facts().stages.items() if name != "ranking"}
    protocol = {name: value for name, value in facts().protocol.items() if name != "candidates"} | {"positions": 100}
    given = advice.lost_among_candidates(facts({**lost(0.588, 0.241), "stages": without, "protocol": protocol}))
    assert given is not None
    assert given.evidence == "58.8 % of what people chose was not among the first 100; 24.1 % was ranked below 10."
    assert "rank" not in given.title
    assert "funnel.candidates" not in given.action


def test_truth_lost_by_the_ranker(facts: Make) -> None:
    given = advice.lost_by_ranker(facts(lost(0.1, 0.6)))
    assert given is not None
    assert "60.0 %" in given.evidence
    candidates = {"ranking": {"negatives": {"sampled": 4, "source": "candidates"}}}
    popularity = {"ranking": {"negatives": {"sampled": 4, "source": "popularity"}}}
    told = advice.lost_by_ranker(facts(lost(0.1, 0.6), recipe=popularity))
    knows = advice.lost_by_ranker(facts(lost(0.1, 0.6), recipe=candidates))
    assert told is not None
    assert 'source = "candidates"' in told.action
    assert knows is not None
    assert 'source = "candidates"' not in knows.action


def test_a_ranker_that_makes_the_order_worse(facts: Make) -> None:
    given = advice.ranker_below_retrieval(facts(stages(facts(), funnel=stage(0.5, 0.09, 0.3))))
    assert given is not None
    assert "ndcg@10 is 0.090 ± 0.004 with it and 0.100 ± 0.004" in given.evidence
    assert 'funnel.retrieval_weight be "auto"' in given.action
    within = facts(stages(facts(), funnel=stage(0.5, 0.098, 0.3)))
    assert advice.ranker_below_retrieval(within) is None


def test_a_weight_that_is_chosen_already_is_not_told_to_be(facts: Make) -> None:
    recipe = {**facts().recipe, "funnel": {"retrieval_weight": "auto"}}
    given = advice.ranker_below_retrieval(facts(stages(facts(), funnel=stage(0.5, 0.09, 0.3)), recipe=recipe))
    assert given is not None
    assert given.action.startswith("Give the ranker more features")


def test_a_source_that_should_be_the_first(facts: Make) -> None:
    recipe = {"retrieval": {"model": {"name": "item_knn"}}, "sources": {"seq": {}}}

    def given(knn: float, seq: float, funnel: float = 0.15) -> advice.Advice | None:
        alone = {"item_knn": stage(0.5, knn, 0.3), "seq": stage(0.5, seq, 0.3), "funnel": stage(0.5, funnel, 0.3)}
        return advice.another_source_first(facts(stages(facts(), **alone), recipe=recipe))

    told = given(0.1, 0.2)
    assert told is not None
    assert "ndcg@10 is 0.200 ± 0.004 by seq alone and 0.100 ± 0.004 by all sources together" in told.evidence
    assert told.action == "Let seq be [retrieval], and item_knn one of [sources]."
    assert given(0.1, 0.155) is None
    assert given(0.2, 0.1) is None
    assert given(0.1, 0.2, funnel=0.21) is None


def test_a_ranker_that_tosses_coins(facts: Make) -> None:
    given = advice.ranker_by_chance(facts(stages(facts(), ranking={"auc": measured(0.51, 0.02)})))
    assert given is not None
    assert "0.510 ± 0.020" in given.evidence


@pytest.mark.parametrize(("values", "wanted"), [([0.3, 0.2], "after epoch 1"), ([0.1, 0.2], "more retrieval.epochs")])
def test_retrieval_no_better_than_popularity(facts: Make, values: list[float], wanted: str) -> None:
    changed = stages(facts(), retrieval=stage(0.29, 0.1, 0.3))
    given = advice.retrieval_below_popularity(facts(changed, curves={"retrieval": curve("recall@100", values)}))
    assert given is not None
    assert "0.290 with the retrieval model and 0.300" in given.evidence
    assert wanted in given.action


def test_no_retrieval_at_all(facts: Make) -> None:
    without = {name: found for name, found in facts().stages.items() if name != "retrieval"}
    assert advice.no_retrieval(facts({"stages": without})) is not None
    assert advice.lost_among_candidates(facts({"stages": without, **lost(0.9, 0.0)})) is None


def test_new_users_and_new_items(facts: Make) -> None:
    users = advice.new_users(facts(slices("new users", 200, 0.5, 0.05)))
    assert users is not None
    assert "10.0 % of the users" in users.evidence
    assert "0.050, against 0.150" in users.evidence
    assert advice.new_users(facts(slices("new users", 50, 0.5, 0.05))) is None
    items = advice.new_items(facts(slices("new items", 200, 0.01, 0.05)))
    assert items is not None
    assert "0.010, against 0.500" in items.evidence
    assert advice.new_items(facts(slices("new items", 200, 0.2, 0.05))) is None


def test_people_who_return(facts: Make) -> None:
    given = advice.seen_again(facts({"protocol": {**facts().protocol, "truth_seen_before": 6000}}))
    assert given is not None
    assert "6,000 held-out events" in given.evidence
    assert "exclude_seen = false" in given.action


def test_overfitting_and_stopping_too_early(facts: Make) -> None:
    over = advice.past_its_best(facts(curves={"ranking": curve("auc", [0.7, 0.8, 0.75, 0.6])}))
    assert over is not None
    assert over.title == "The ranking model overfits"
    assert "0.800" in over.evidence
    assert "epoch 2 of 4" in over.evidence
    rising = facts(curves={"retrieval": curve("recall@100", [i / 20 for i in range(10)])})
    early = advice.not_at_its_best(rising)
    assert early is not None
    assert "retrieval.epochs = 20" in early.action
    assert advice.past_its_best(rising) is None
    assert advice.not_at_its_best(facts(curves={"retrieval": curve("recall@100", [0.1, 0.2])})) is None


def test_a_narrow_choice_needs_enough_users_to_be_one(facts: Make) -> None:
    changed = stages(facts(), funnel=stage(0.5, 0.15, 0.05))
    given = advice.narrow(facts(changed))
    assert given is not None
    assert "5.0 % of the catalogue" in given.evidence
    few = {"protocol": {**facts().protocol, "requests": 100}}
    assert advice.narrow(facts({**changed, **few})) is None


@pytest.mark.parametrize(("sampled", "wanted"), [(4, "Sampled negatives"), (0, "fewer ranking.epochs")])
def test_probabilities_that_are_no_rates(facts: Make, sampled: int, wanted: str) -> None:
    changed = stages(facts(), ranking={"calibration_error": measured(0.2)})
    given = advice.not_calibrated(facts(changed, recipe={"ranking": {"negatives": {"sampled": sampled}}}))
    assert given is not None
    assert "0.200" in given.evidence
    assert wanted in given.action
    assert 'Set ranking.calibration = "platt"' in given.action


def test_what_is_calibrated_already_is_not_told_to_be(facts: Make) -> None:
    changed = stages(facts(), ranking={"calibration_error": measured(0.2)})
    given = advice.not_calibrated(facts(changed, recipe={"ranking": {"calibration": "isotonic"}}))
    assert given is not None
    assert "ranking.calibration" not in given.action


def test_figures_too_loose_to_choose_by(facts: Make) -> None:
    loose = {**facts().stages["funnel"], "ndcg@10": measured(0.1, 0.05)}
    given = advice.few_users(facts(stages(facts(), funnel=loose)))
    assert given is not None
    assert "0.100 ± 0.050" in given.evidence


def test_the_section_shows_what_was_seen_and_what_to_change(facts: Make) -> None:
    shown = advice.advice(facts(lost(0.588, 0.241)))
    assert shown.count("<li>") == 1
    assert "58.8 %" in shown
    assert "funnel.candidates = 1000" in shown
