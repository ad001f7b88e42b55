"""What is searched: ranges as distributions, a trial's values as overrides, and what the recipe would not take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("optuna")

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from shortlist.core.errors import RecipeError
from shortlist.models.catalogue import check_models
from shortlist.recipe import Recipe, parse_recipe
from shortlist.recipe.tune import Range
from shortlist.tuning.space import check, distributions, overrides, toml, usual_ranges, values_of

TEXT = """\
[data]
interactions = "events.parquet"
[schema]
user_id = "user"
item_id = "item"
[retrieval]
model = {name = "two_tower", dim = 8, embedding_dim = 16}
"""
RANGES = {
    "retrieval.dense.lr": Range(log=(1e-4, 1e-2)),
    "retrieval.model.hidden": Range(choice=([64], [128, 64])),
    "retrieval.epochs": Range.model_validate({"int": (1, 4)}),
}


def read(more: Sequence[str] = (), text: str = TEXT) -> Recipe:
    return parse_recipe(text, "shop.toml", list(more), check=check_models)


def test_each_form_is_a_distribution() -> None:
    ranges = {
        **RANGES,
        "a": Range(linear=(0, 1)),
        "b": Range(log_int=(4, 64)),
    }

    assert distributions(ranges) == {
        "retrieval.dense.lr": FloatDistribution(1e-4, 1e-2, log=True),
        "retrieval.model.hidden": CategoricalDistribution(["[64]", "[128, 64]"]),
        "retrieval.epochs": IntDistribution(1, 4),
        "a": FloatDistribution(0, 1),
        "b": IntDistribution(4, 64, log=True),
    }


def test_a_trials_values_are_what_the_recipe_then_says() -> None:
    values = {"retrieval.epochs": 3, "retrieval.dense.lr": 0.00123456, "retrieval.model.hidden": "[128, 64]"}
    found = read(overrides(values, RANGES)).retrieval

    assert found is not None
    assert (found.epochs, found.dense.lr) == (3, 0.001235)
    assert found.model.settings()["hidden"] == [128, 64]


@pytest.mark.parametrize(
    "value", [1, 2.5, True, "two words", [64, [1]], {"name": "mlp", "hidden": [8], "of it": {"a": "b"}}]
)
def test_any_value_of_a_choice_is_read_back_as_it_was(value: Any) -> None:
    import tomllib

    assert tomllib.loads(f"value = {toml(value)}")["value"] == value


def test_the_recipes_own_values_are_a_trial_where_they_lie_in_the_ranges() -> None:
    inside = {"retrieval.dense.lr": Range(log=(1e-4, 1e-2)), "retrieval.model.dim": Range(choice=(4, 8))}

    assert values_of(read(), inside) == {"retrieval.dense.lr": 0.003, "retrieval.model.dim": "8"}
    assert values_of(read(), {**inside, "retrieval.model.embedding_dim": Range(choice=(4, 8))}) is None
    assert values_of(read(), {**inside, "retrieval.epochs": Range.model_validate({"int": (1, 4)})}) is None


def test_values_that_the_recipe_would_not_take_are_told_before_anything_runs() -> None:
    ranges = {
        "retrieval.dense.lr": Range(linear=(-1, 1)),
        "retrieval.model.dims": Range(choice=(4,)),
        "retrieval.epochs": Range.model_validate({"int": (1, 4)}),
    }
    with pytest.raises(RecipeError) as error:
        check(ranges, read, "shop.toml")

    said = str(error.value).splitlines()
    assert len(said) == 3
    assert "tune.retrieval.dense.lr: with -1.0 the recipe has an error: retrieval.dense.lr: Input should be" in said[1]
    assert "tune.retrieval.model.dims: with 4 the recipe has an error: retrieval.model.dims: no such setting" in said[2]


def test_without_ranges_rates_and_widths_are_searched_as_far_as_the_recipe_takes_them() -> None:
    dlrm = TEXT + '[ranking]\nmodel = {name = "dlrm", bottom = [16, 8], embedding_dim = 8}\n'
    found = usual_ranges(read(text=dlrm), lambda more: read(more, dlrm))

    assert found["retrieval.dense.lr"].bounds == pytest.approx((3e-4, 3e-2))
    assert found["retrieval.model.dim"].kind == "choice"
    # Its layers end in the dim of its tables: one without the other is none.
    assert "ranking.model.embedding_dim" not in found
    assert "ranking.embedding.lr" in found


def test_a_model_that_is_fitted_in_one_go_has_no_rates() -> None:
    fitted = TEXT[: TEXT.index("model")] + 'model = "ease"\n'

    assert usual_ranges(read(text=fitted), lambda more: read(more, fitted)) == {}
