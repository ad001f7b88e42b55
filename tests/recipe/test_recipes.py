"""Every recipe that is shipped can be read, its models' settings included."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.models.catalogue import check_models
from shortlist.recipe import load_recipe
from shortlist.schema.expression import Expression

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.toml"))


def test_there_are_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_can_be_read(path: Path) -> None:
    recipe = load_recipe(path, check=check_models)

    assert recipe.name == path.stem
    for target in recipe.schema_.targets.values():
        assert Expression.parse(target.value).columns()
