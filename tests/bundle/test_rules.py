"""The rules of a real bundle: changed without training, checked against it, and the same wherever it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortlist.bundle.change_rules import change_rules
from shortlist.bundle.manifest import check_manifest
from shortlist.bundle.recommender import Recommender
from shortlist.bundle.rules import BundleRules, read_rules
from shortlist.core.errors import RecipeError, RequestError, UserError
from shortlist.recipe.rules import Boost, Explore, Pin, Rules, Satisfied


@pytest.fixture
def ruled(shop: Recommender, tmp_path: Path) -> Any:
    """`ruled(filter=...)` is the shop under these rules."""
    shop.save(tmp_path / "shop")

    def under(**rules: Any) -> Recommender:
        change_rules(tmp_path / "shop", Rules(**rules))
        return Recommender.load(tmp_path / "shop", verify=True)

    return under


def names(recommender: Recommender, user: int | None = 1, **about: Any) -> list[int | str]:
    return [item.item_id for item in recommender.recommend([user], exclude_seen=False, **about)[0]]


def test_a_standing_filter_holds_for_every_stage(shop: Recommender, ruled: Any) -> None:
    cheap = ruled(filter="price < 5 and not price < 2")

    assert names(cheap) == [item for item in names(shop) if item in {"oolong", "coffee", "mocha"}]
    assert names(cheap, filter='kind = "tea"') == ["oolong"]
    assert set(cheap.run(cheap.requests([None]), 6, "popularity").item_UK[0].tolist()) - {0} == set(
        cheap.run(cheap.requests([None]), 6).item_UK[0].tolist()
    ) - {0}


def test_a_pin_may_depend_on_what_the_request_tells(shop: Recommender, ruled: Any) -> None:
    last = names(shop)[-1]
    pinned = ruled(pin=(Pin(item=last, place=2, when='city = "Graz"'),))
    as_before = names(shop, k=3)

    assert names(pinned, k=3) == as_before
    assert names(pinned, k=3, user_features={"city": ["Bonn"]})[1] != last
    moved = pinned.recommend([1], 3, False, user_features={"city": ["Graz"]}, explain=True)[0]
    assert moved[1].item_id == last
    assert moved[1].reasons is not None
    assert moved[1].reasons.rules == ("pinned to place 2",)


def test_boost_cap_and_diversity(shop: Recommender, ruled: Any) -> None:
    assert set(names(ruled(boost=(Boost(filter='tags has "hot"', factor=100.0),)), k=3)) == {"tea", "oolong", "coffee"}
    capped = names(ruled(cap={"kind": 1}))
    first_of = {"tea": ("tea", "oolong"), "coffee": ("coffee", "mocha")}
    everything = names(shop)
    kept = {next(item for item in everything if item in group) for group in first_of.values()} | {"cocoa", "mug"}
    assert capped == [item for item in everything if item in kept]
    diverse = ruled(diversity=0.7)
    assert names(diverse) == names(shop, diversity=0.7)
    assert names(diverse, diversity=0.0) == everything
    with pytest.raises(RequestError, match="from 0 to 1"):
        names(shop, diversity=1.5)


def test_what_a_user_bought_for_good_is_left_out(shop: Recommender, ruled: Any) -> None:
    needs = Satisfied(column="kind", events=("cart",), least_users=1)
    satisfied = ruled(satisfied=needs)

    # User 1 bought tea and coffee, and only looked at oolong; nobody ever bought again.
    assert set(names(satisfied)) == {"cocoa", "mug"}
    assert set(names(satisfied, None)) == set(names(shop, None))
    intervals = BundleRules.read(satisfied.bundle.path).intervals
    assert {interval.value: interval.seconds for interval in intervals} == dict.fromkeys(["tea", "coffee"])
    with pytest.raises(UserError, match=r"rules.satisfied.events: the log has no events of the type 'sale'"):
        ruled(satisfied=Satisfied(column="kind", events=("sale",)))


def test_nothing_is_left_to_chance_without_a_seed(shop: Recommender, ruled: Any) -> None:
    exploring = ruled(explore=Explore(temperature=10.0))
    drawn = {tuple(names(exploring, seed=seed)) for seed in range(20)}

    assert names(exploring) == names(shop)
    assert len(drawn) > 10
    assert names(exploring, seed=3) == names(exploring, seed=3)
    items = exploring.recommend([1], 3, False, seed=3)[0]
    assert all(item.propensity is not None and 0 < item.propensity < 1 for item in items)
    assert [item.propensity for item in shop.recommend([1], 3, False, seed=3)[0]] == [None] * 3


def test_rules_that_do_not_fit_leave_the_bundle_as_it_was(shop: Recommender, ruled: Any) -> None:
    folder = ruled(filter="price < 5").bundle.path

    for rules, said in (
        ({"filter": "prize < 3"}, "rules.filter: filter, character 1: no column is called `prize`"),
        ({"pin": (Pin(item="beer"),)}, r"rules.pin\[0\].item: 'beer' is not known"),
        ({"pin": (Pin(item="tea", when="city ="),)}, r"rules.pin\[0\].when: filter, character 7"),
        ({"boost": (Boost(filter="kind > 3", factor=1.0),)}, r"rules.boost\[0\].filter"),
        ({"cap": {"tags": 2}}, "rules.cap: expected a column with one value"),
    ):
        with pytest.raises(UserError, match=said):
            change_rules(folder, Rules(**rules))
    assert BundleRules.read(folder).settings.filter == "price < 5"
    check_manifest(folder)


def test_rules_are_read_from_a_file_such_as_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[rules]\nfilter = "in_stock"\ncap = {kind = 2}\n[[rules.pin]]\nitem = "mug"\nplace = 3\n')

    assert read_rules(file) == Rules(filter="in_stock", cap={"kind": 2}, pin=(Pin(item="mug", place=3),))
    file.write_text("[rules]\ncap = {kind = 0}\nfilters = 3\n")
    with pytest.raises(RecipeError, match=r"(?s)rules.cap.kind.*rules.filters: no such setting. Did you mean `filter`"):
        read_rules(file)
    file.write_text("filter = 3")
    with pytest.raises(UserError, match=r"expected a section \[rules\]"):
        read_rules(file)


def test_evaluation_asks_for_what_is_served(shop: Recommender, ruled: Any) -> None:
    capped = ruled(cap={"kind": 1})
    long, short = (capped.run(capped.requests([1, None]), k).item_UK for k in (6, 2))

    assert capped.rules.reorder
    assert not shop.rules.reorder
    assert np.array_equal(long[:, :2], short), "a longer list begins with the shorter one"
