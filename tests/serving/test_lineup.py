"""Bundles beside each other: who meets which one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import UserError
from shortlist.serving import ServeSettings
from shortlist.serving.app import application_of
from shortlist.serving.lineup import Arm, Lineup, shares
from shortlist.serving.service import Service

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


def lineup(recommender: Recommender, experiment: str = "colours") -> Lineup:
    service = Service(recommender)
    return Lineup(experiment, [Arm("old", service, 0.8), Arm("new", service, 0.2)])


def test_shares_are_kept_and_a_user_always_meets_the_same(shop: Recommender) -> None:
    both = lineup(shop)
    drawn = [both.choose(user, "any").name for user in range(5000)]
    # 4.5 standard deviations of a binomial of 5,000 draws at 0.2.
    assert Counter(drawn)["new"] / 5000 == pytest.approx(0.2, abs=0.026)
    assert drawn == [both.choose(user, "other").name for user in range(5000)]


def test_another_experiment_draws_other_users(shop: Recommender) -> None:
    one, other = lineup(shop), lineup(shop, "sizes")
    users = [user for user in range(5000) if one.choose(user, "").name == "new"]
    again = sum(other.choose(user, "").name == "new" for user in users) / len(users)
    assert again == pytest.approx(0.2, abs=0.06)


def test_visitors_are_drawn_by_request(shop: Recommender) -> None:
    both = lineup(shop)
    assert {both.choose(None, f"request-{number}").name for number in range(100)} == {"old", "new"}
    assert len({both.choose(None, "the same").name for _ in range(10)}) == 1


def test_an_answer_says_its_variant_and_how_likely_it_was(shop: Recommender, serve: Serve) -> None:
    both = lineup(shop)
    with serve(application_of(both, ServeSettings())) as client:
        for user in (100, 101, 102, 103, 104, 105):
            answer = client.post("/v1/recommend", json={"user_id": user}).json()
            arm = both.choose(user, "")
            assert (answer["variant"], answer["propensity"]) == (arm.name, arm.propensity)


def test_shares_are_parts_of_one() -> None:
    assert shares([3, 1]) == [0.75, 0.25]
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="above 0"):
            shares([1.0, wrong])
