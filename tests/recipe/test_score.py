"""`ranking.score`: an expression over the targets, checked where the recipe is read."""

from __future__ import annotations

import pytest

from shortlist.core.errors import RecipeError
from shortlist.recipe import parse_recipe

RECIPE = """\
[data]
interactions = "log.csv"
[schema]
targets.click = "clicked"
targets.seconds = {value = "seconds", kind = "regression"}
targets.colour = {value = "colour", kind = "multiclass"}
[ranking]
calibration = "platt"
score = 'SCORE'
negatives = {sampled = 0}
"""


@pytest.mark.parametrize("score", ["0.2 * click + seconds", "-seconds", "click > 0.5 and not seconds < 3"])
def test_an_expression_over_binary_and_regression_targets_is_read(score: str) -> None:
    recipe = parse_recipe(RECIPE.replace("SCORE", score))
    assert recipe.ranking is not None
    assert recipe.ranking.score == score
    assert recipe.ranking.calibration == "platt"


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("clik + seconds", r"no target is called `clik`. Did you mean `click`\?"),
        ("colour", "the target `colour` is multiclass, and its prediction is no number"),
        ("1 + 1", "'1 \\+ 1' names no target, and all candidates would score alike. There is: click, seconds."),
        ("click +", "cannot read the expression 'click \\+': invalid syntax"),
        ("log(click)", "may use comparisons, arithmetic, and, or, not, in; found Call"),
        ("click * 'twice'", "cannot compute \"click \\* 'twice'\""),
        ("-(click > 0.5)", "cannot compute '-\\(click > 0.5\\)'"),
        ("click / (1 - 1)", None),
        ("click + 1 / 0", "cannot compute 'click \\+ 1 / 0'"),
    ],
)
def test_what_gives_no_number_is_an_error_with_its_line(score: str, said: str | None) -> None:
    text = RECIPE.replace("'SCORE'", f'"{score}"')
    if said is None:
        assert parse_recipe(text).ranking is not None
        return
    with pytest.raises(RecipeError, match=said) as raised:
        parse_recipe(text)
    assert "recipe.toml:9  ranking.score: " in str(raised.value)


def test_without_targets_there_is_nothing_to_name() -> None:
    text = '[data]\ninteractions = "log.csv"\n[schema]\nuser_id = "u"\nitem_id = "i"\n[ranking]\nscore = "click"\n'
    with pytest.raises(RecipeError, match="no target is called `click`"):
        parse_recipe(text)


def test_an_unknown_calibration_is_an_error() -> None:
    with pytest.raises(RecipeError, match=r"ranking\.calibration: Input should be 'none', 'platt' or 'isotonic'"):
        parse_recipe(RECIPE.replace("SCORE", "click").replace('"platt"', '"plat"'))
