"""What a recipe says of its models, with what it leaves at their defaults."""

from __future__ import annotations

from shortlist.models.catalogue import all_settings
from tests.evaluation import toy


def test_all_settings_are_those_of_every_source_and_of_the_ranker() -> None:
    sources = {"seq": {"model": {"name": "sasrec", "heads": 2}, "quota": 2}}
    found = all_settings(toy.recipe(retrieval={"model": "item_knn"}, sources=sources, ranking={}))
    assert found["retrieval"]["model"]["similarity"] == "cosine"
    assert (found["sources"]["seq"]["model"]["heads"], found["sources"]["seq"]["model"]["dropout"]) == (2, 0.2)
    assert found["ranking"]["model"]["hidden"] == [256, 128]


def test_a_stage_that_is_left_out_has_none() -> None:
    assert all_settings(toy.recipe(retrieval={}))["ranking"] is None
