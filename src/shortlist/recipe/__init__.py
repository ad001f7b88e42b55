"""The recipe: one TOML file that says everything about a recommender, read strictly."""

from __future__ import annotations

from shortlist.recipe.read import load_recipe, parse_recipe
from shortlist.recipe.sections import Recipe

__all__ = ["Recipe", "load_recipe", "parse_recipe"]
