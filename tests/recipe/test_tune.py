"""[tune]: ranges by dotted name in either way of writing them, and what is no range."""

from __future__ import annotations

import pytest

from shortlist.core.errors import RecipeError
from shortlist.recipe import Recipe, parse_recipe

HEAD = """\
[data]
interactions = "events.parquet"
[schema]
user_id = "user"
item_id = "item"
[tune]
"""


def read(text: str, *overrides: str) -> Recipe:
    return parse_recipe(HEAD + text, "shop.toml", overrides)


def test_a_name_in_quotes_and_tables_within_tables_mean_the_same() -> None:
    quoted = read('"ranking.dense.lr" = {log = [1e-4, 1e-2]}\n"ranking.model.hidden" = {choice = [[64], [128, 64]]}')
    nested = read(
        "ranking.dense.lr = {log = [1e-4, 1e-2]}\n[tune.ranking.model]\nhidden = {choice = [[64], [128, 64]]}"
    )

    assert quoted.tune == nested.tune
    assert quoted.tune is not None
    assert {name: (r.kind, r.bounds) for name, r in quoted.tune.ranges.items()} == {
        "ranking.dense.lr": ("log", (1e-4, 1e-2)),
        "ranking.model.hidden": ("choice", ([64], [128, 64])),
    }


def test_settings_of_the_search_stand_beside_its_ranges() -> None:
    found = read(
        "trials = 3\nretrieval.epochs = {int = [1, 4]}", "tune.workers=2", "tune.retrieval.history={int=[1,9]}"
    )

    assert found.tune is not None
    assert (found.tune.trials, found.tune.workers) == (3, 2)
    assert {name: r.kind for name, r in found.tune.ranges.items()} == {
        "retrieval.epochs": "int",
        "retrieval.history": "int",
    }


def test_it_comes_back_from_json() -> None:
    found = read("retrieval.dense.lr = {linear = [0, 1]}\nretrieval.model.dim = {log_int = [4, 64]}")

    assert Recipe.model_validate(found.model_dump(mode="json", by_alias=True)).tune == found.tune


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trails = 4", "tune.trails: no such setting. Did you mean `trials`?"),
        ("ranking.dense.lr = 3", "tune.ranking.dense.lr: expected a range such as"),
        ("ranking.dense.lr = {lag = [1, 2]}", "tune.ranking.dense.lr.lag: expected a range such as"),
        ("ranking.dense.lr = {log = [0, 1]}", "nothing comes from 0.0 to 1.0: begin above 0, or say linear"),
        ("ranking.dense.lr = {linear = [2, 1]}", "the first is to be below the second, found 2.0 and 1.0"),
        ("ranking.dense.lr = {linear = [0, inf]}", "the first is to be below the second"),
        ("ranking.dense.lr = {log = [1, 2], choice = [3]}", "expected one of choice, log, linear, int, log_int, found"),
        ("ranking.epochs = {int = [3, 4.5]}", "valid integer"),
        ("ranking.epochs = {choice = []}", "at least 1"),
        ("trials = 0", "greater than or equal to 1"),
    ],
)
def test_what_is_no_range_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        read(text)

    assert said in str(error.value)
    assert "shop.toml:7" in str(error.value)
