"""Targets in a recipe: short and long forms, and what must go with them, each mistake with its line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shortlist.core.errors import Problem, RecipeError
from shortlist.recipe import Recipe, parse_recipe
from shortlist.recipe.targets import TargetSetting
from shortlist.schema import TargetKind

LOG = '[data]\ninteractions = "log.csv"\n[schema]\n'
BOTH = LOG + 'user_id = "user"\nitem_id = "item"\n'
STARS = 'targets.stars = {value = "stars / 5", kind = "regression"}\n'
ALONE = "[ranking]\nnegatives = {sampled = 0}\n"


def problems(text: str) -> Sequence[Problem]:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(text)
    return refused.value.problems


def test_an_expression_alone_is_a_binary_target() -> None:
    recipe = parse_recipe(LOG + 'targets.click = "click"\n' + STARS + ALONE)

    assert recipe.schema_.targets == {
        "click": TargetSetting(value="click"),
        "stars": TargetSetting(value="stars / 5", kind=TargetKind.REGRESSION),
    }
    assert recipe.schema_.targets["click"].kind == TargetKind.BINARY


def test_it_survives_the_json_of_a_bundle() -> None:
    recipe = parse_recipe(LOG + 'targets.click = "click"\n' + STARS + ALONE)

    assert Recipe.model_validate_json(recipe.model_dump_json(by_alias=True)) == recipe


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("targets.click = 4", "schema.targets.click", 'expected an expression such as "rating >= 4", or its kind'),
        ('targets.click = {valu = "x"}', "schema.targets.click.valu", "no such setting. Did you mean `value`?"),
        (
            'targets.click = {value = "x", kind = "regresion"}',
            "schema.targets.click.kind",
            "Input should be 'binary', 'regression' or 'multiclass', found 'regresion'",
        ),
    ],
)
def test_a_mistake_is_named_where_it_is(line: str, where: str, message: str) -> None:
    found = {problem.where: problem for problem in problems(f"{LOG}{line}\n")}

    assert found[where].message.startswith(message)
    assert found[where].line == 4


@pytest.mark.parametrize("name", ["..", ".", "a/b", "_seen", "2nd", "", "wish list", "übrig"])
def test_a_name_is_one_that_a_folder_can_have(name: str) -> None:
    (found,) = problems(f'{LOG}targets."{name}" = "click"\n{ALONE}')

    assert found.where == f"schema.targets.{name}"
    assert found.message.startswith("expected a name that begins with a letter and has only letters, digits, _ and -")
    assert list(parse_recipe(f'{LOG}targets.Wish-list_2 = "click"\n{ALONE}').schema_.targets) == ["Wish-list_2"]


@pytest.mark.parametrize(
    ("sections", "uses"),
    [
        ("", "[retrieval]"),
        ("[retrieval]\n", "[retrieval]"),
        ("[ranking]\n", "ranking.negatives.sampled"),
        ("[ranking]\nnegatives = {sampled = 0, keep = 0.5}\n", "ranking.negatives.keep"),
    ],
)
def test_what_is_relevant_is_told_by_a_binary_target(sections: str, uses: str) -> None:
    (found,) = problems(BOTH + STARS + sections)

    assert (found.where, found.line) == ("schema.targets.stars", 6)
    assert found.message.startswith(f"{uses} goes by the first target, which says what is relevant, and this one is")
    binary_first = parse_recipe(BOTH + 'targets.click = "click"\n' + STARS + sections)
    assert list(binary_first.schema_.targets) == ["click", "stars"]


def test_a_log_that_is_ranked_row_by_row_may_begin_with_any() -> None:
    recipe = parse_recipe(BOTH + STARS + ALONE)

    assert list(recipe.schema_.targets) == ["stars"]


@pytest.mark.parametrize(
    ("ranking", "where", "message"),
    [
        ("loss_weights = {clik = 2}", "loss_weights.clik", "no target is called so. Did you mean `click`?"),
        ("loss_weights = {click = 0}", "loss_weights", "every target has weight 0: there is nothing to learn"),
        ("loss_weights = {click = -1}", "loss_weights", "expected a number of 0 or more for targets by name"),
        ("loss_weights = {click = nan}", "loss_weights", "expected a number of 0 or more for targets by name"),
        ('loss_weights = "uncertain"', "loss_weights", "expected a number of 0 or more for targets by name"),
        ('loss = "bpr"', "loss", "bpr compares a positive with the negatives sampled for it, and none are"),
        ('loss = "softmax"', "loss", "softmax compares a positive with the negatives sampled for it"),
        ('loss = "hinge"', "loss", "Input should be 'log_loss', 'focal', 'bpr' or 'softmax', found 'hinge'"),
        ("focal_gamma = -1", "focal_gamma", "Input should be greater than or equal to 0"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(ranking: str, where: str, message: str) -> None:
    (found,) = problems(f'{LOG}targets.click = "click"\n{ALONE}{ranking}\n')

    assert (found.where, found.line) == (f"ranking.{where}", 7)
    assert found.message.startswith(message)


@pytest.mark.parametrize(
    ("negatives", "targets", "message"),
    [
        ("keep = 0.5", 'targets.click = "click"\n', "0.5 thins out a log's own negatives, and 4 are sampled"),
        ("sampled = 0, keep = 0.5", "", "thins out rows whose first target is 0, and there is no target"),
        ("sampled = 0, keep = 0", 'targets.click = "click"\n', "Input should be greater than 0, found 0"),
    ],
)
def test_rows_that_cannot_be_left_out(negatives: str, targets: str, message: str) -> None:
    (found,) = problems(f"{LOG}{targets}[ranking]\nnegatives = {{{negatives}}}\n")

    assert found.where == "ranking.negatives.keep"
    assert found.message.startswith(message)


def test_focal_loss_cannot_make_good_for_rows_left_out() -> None:
    (found,) = problems(
        f'{LOG}targets.click = "click"\n[ranking]\nloss = "focal"\nnegatives.sampled = 0\nnegatives.keep = 0.5\n'
    )

    assert (found.where, found.line) == ("ranking.negatives.keep", 8)
    assert found.message.startswith("0.5 moves probabilities, which log_loss can make good and focal cannot")


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_a_loss_over_lists_learns_nothing_from_observed_rows_of_one_target(loss: str) -> None:
    click = 'targets.click = "click"\n'
    ranking = f'[ranking]\nloss = "{loss}"\nnegatives = {{observed = true}}\n'
    (found,) = problems(LOG + click + ranking)

    assert (found.where, found.line) == ("ranking.negatives.observed", 7)
    assert found.message.startswith(f"{loss} compares a positive with the negatives sampled for it, and learns nothing")
    for text in (click + ranking.replace("true", "false"), click + STARS + ranking):
        recipe = parse_recipe(LOG + text)
        assert recipe.ranking is not None
        assert recipe.ranking.loss == loss
