"""A penalty that the chosen optimiser does not have is told, not ignored."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shortlist.recipe.training import Optimiser


@pytest.mark.parametrize("name", ["adamw", "adagrad", "sgd"])
def test_l1_is_for_ftrl_alone(name: str) -> None:
    with pytest.raises(ValidationError, match=f"only ftrl has an l1 penalty, and this is {name}"):
        Optimiser.model_validate({"name": name, "l1": 0.1})

    assert Optimiser.model_validate({"name": "ftrl", "l1": 0.1}).l1 == 0.1
    assert Optimiser.model_validate({"name": name, "l1": 0.0}).name == name
