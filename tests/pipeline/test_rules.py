"""[rules] of a recipe: refused before anything trains, and in the bundle that is exported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import UserError
from shortlist.core.progress import Silent
from shortlist.pipeline.run import run_stages
from shortlist.recipe import parse_recipe
from tests.bundle.shop import RECIPE, write_tables

STAGES = re.compile(r"\[retrieval\].*(?=\[compute\])", re.DOTALL)
NEIGHBOURS = '[retrieval]\nmodel = "item_knn"\n'


def exported(folder: Path, rules: str) -> Recommender:
    write_tables(folder)
    recipe = parse_recipe(STAGES.sub(NEIGHBOURS + rules, RECIPE), "shop.toml", data_dir=folder)
    run_stages(recipe, folder / "run", Silent(), upto="export")
    return Recommender.load(folder / "run" / "bundle")


def test_rules_come_with_the_bundle_and_filtered_lists_are_full(tmp_path: Path) -> None:
    shop = exported(
        tmp_path,
        '[rules]\nattributes = ["kind", "price"]\nfilter = "price < 6"\n[[rules.pin]]\nitem = "mocha"\nplace = 1\n',
    )
    items = shop.recommend([None], 10, False)[0]

    assert shop.bundle.attributes is not None
    assert shop.bundle.attributes.schema.names == ["kind", "price"]
    assert items[0].item_id == "mocha"
    assert {item.item_id for item in items} == {"tea", "oolong", "coffee", "mocha"}
    more = shop.with_items({"good": ["new"], "kind": ["tea"], "price": [1.0]})
    found = {item.item_id: item.source for item in more.recommend([2], 10, False, filter='kind = "tea"')[0]}
    assert found.keys() == {"tea", "oolong", "new"}
    assert found["new"] == "popularity", "neighbours know nothing of what came after them"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('attributes = ["prize"]', "rules.attributes: the item table has no column `prize`. Did you mean `price`?"),
        ('filter = "prize < 3"', "rules.filter: filter, character 1: no column is called `prize`"),
        ('filter = "price > 1000"', "rules.filter = 'price > 1000': 0 of 6 items pass, and every list would be empty"),
        ("cap = {tags = 1}", "rules.cap: expected a column with one value"),
        ('pin = [{item = "tea", when = "city <"}]', "rules.pin[0].when: filter, character 7"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_before_anything_trains(tmp_path: Path, rules: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        exported(tmp_path, f"[rules]\n{rules}\n")

    assert not (tmp_path / "run" / "retrieval").exists()
