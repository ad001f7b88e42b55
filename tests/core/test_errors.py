"""The exception tree: exit codes that tell errors apart, and all problems of a recipe in one text."""

from __future__ import annotations

from shortlist.core import errors
from shortlist.core.errors import Problem, RecipeError, ShortlistError, UserError


def tree(root: type[ShortlistError]) -> list[type[ShortlistError]]:
    return [root, *(below for child in root.__subclasses__() for below in tree(child))]


def test_every_error_has_an_exit_code_of_its_own() -> None:
    named = [error for error in tree(ShortlistError) if error.__module__ == errors.__name__ and error is not UserError]
    codes = [error.exit_code for error in named]

    assert len(codes) == 8
    assert sorted(codes) == sorted(set(codes))
    assert 0 not in codes


def test_a_fault_of_the_export_is_not_the_users() -> None:
    assert not issubclass(errors.ParityError, UserError)
    assert issubclass(errors.EnvironmentFault, UserError)


def test_a_recipe_error_lists_its_problems_beside_their_lines() -> None:
    problems = [Problem("data.itms", "no such setting."), Problem("seed", "too small", line=12)]

    assert str(RecipeError(problems, "shop.toml")) == (
        "shop.toml has 2 errors\n  shop.toml     data.itms: no such setting.\n  shop.toml:12  seed: too small"
    )


def test_one_problem_is_one_error() -> None:
    error = RecipeError([Problem("seed", "too small")])

    assert str(error).startswith("recipe has 1 error\n")
    assert error.problems == (Problem("seed", "too small"),)
