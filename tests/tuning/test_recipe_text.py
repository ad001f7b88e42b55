"""The best recipe as text: what was written stays, what was found is put in its place."""

from __future__ import annotations

import pytest

pytest.importorskip("tomlkit")

from shortlist.recipe import parse_recipe
from shortlist.tuning.recipe_text import with_values

TEXT = """\
# Films.
[data]
interactions = "events.parquet"
[schema]
user_id = "user"
item_id = "item"

[retrieval]
epochs = 3  # enough
model = "two_tower"

[tune]
trials = 3
retrieval.epochs = {int = [1, 4]}
"""
FOUND = [
    "retrieval.epochs=4",
    "retrieval.dense.lr=0.01",
    "retrieval.model.hidden=[8, 4]",
    'ranking.model={name = "mlp"}',
    'evaluation.metrics=["ndcg@10"]',
    "funnel.index=exact",
]


def test_comments_stay_and_values_are_put_in_their_place() -> None:
    text = with_values(TEXT, FOUND, ["The best of a search."])

    assert (
        text
        == """\
# The best of a search.
# Films.
[data]
interactions = "events.parquet"
[schema]
user_id = "user"
item_id = "item"

[retrieval]
epochs = 4  # enough
model = {name = "two_tower", hidden = [8, 4]}
dense = {lr = 0.01}

[ranking]
model = {name = "mlp"}

[evaluation]
metrics = ["ndcg@10"]

[funnel]
index = "exact"
"""
    )


def test_it_says_what_the_overrides_say() -> None:
    searched = parse_recipe(TEXT, "shop.toml", FOUND)
    written = parse_recipe(with_values(TEXT, FOUND), "shop.toml")

    assert written == searched.model_copy(update={"tune": None})


def test_a_recipe_that_names_no_stage_keeps_both() -> None:
    both = TEXT[: TEXT.index("[retrieval]")]
    written = parse_recipe(with_values(both, ["ranking.epochs=2"]), "shop.toml")

    assert written == parse_recipe(both, "shop.toml", ["ranking.epochs=2"])
    assert written.retrieval is not None


def test_what_is_said_of_the_search_goes_with_it() -> None:
    """A new setting stands with the others of its section, not below the comment that belonged to [tune]."""
    searched = '[ranking]\nepochs = 3\n\n# The search.\n# An hour.\n[tune]\n"ranking.loss" = {choice = ["bpr"]}\n'

    assert with_values(searched, ["ranking.loss=bpr"]) == '[ranking]\nepochs = 3\nloss = "bpr"\n'
