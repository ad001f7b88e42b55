"""The roles of columns in [schema]: which of them one column may play together."""

from __future__ import annotations

from itertools import combinations

import pytest

from shortlist.core.errors import RecipeError
from shortlist.recipe import parse_recipe

LOG = '[data]\ninteractions = "log.csv"\n[schema]\n'
APART = ["user_id", "item_id", "timestamp", "event", "weight"]


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for pair in combinations(APART, 2) if pair != ("event", "weight")]
    + [("session_id", role) for role in APART[1:]],
)
def test_a_column_has_one_role(first: str, second: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(f'{LOG}{first} = "x"\n{second} = "x"\n', "shop.toml")

    (found,) = refused.value.problems
    assert (found.where, found.line) == (f"schema.{second}", 5)
    assert found.message.startswith(f"names the column `x`, and so does schema.{first}: name {second}'s own column")


@pytest.mark.parametrize("role", ["user_id", "session_id", "item_id", "timestamp"])
def test_a_target_is_not_what_every_request_tells(role: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(f'{LOG}{role} = "x"\ntargets.liked = "x"\n', "shop.toml")

    (found,) = refused.value.problems
    assert (found.where, found.line) == ("schema.targets.liked", 5)
    assert found.message.startswith(f"is the column `x` itself, which schema.{role} names and every request tells")


@pytest.mark.parametrize(
    "roles",
    [
        'event = "stars"\nweight = "stars"\ntargets.liked = "stars >= 4"\n',
        'event = "stars"\ntargets.stars = {value = "stars", kind = "multiclass"}\n',
        'user_id = "visitor"\ngroup = "visitor"\n',
        'timestamp = "at"\ntargets.late = "at > 1700000000"\n',
    ],
)
def test_what_a_column_may_well_be_twice(roles: str) -> None:
    parse_recipe(f"{LOG}{roles}[ranking]\nnegatives = {{sampled = 0}}\n")
