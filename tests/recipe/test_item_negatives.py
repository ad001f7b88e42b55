"""What the settings of retrieval's losses and negatives refuse, and what they say then."""

from __future__ import annotations

from typing import Any

import pytest

from shortlist.core.settings import read_settings
from shortlist.recipe.retrieval import ItemNegatives, Retrieval


def problems(**values: Any) -> list[str]:
    return [f"{problem.where}: {problem.message}" for problem in read_settings(Retrieval, values, "retrieval")[1]]


def test_a_name_is_short_for_a_source() -> None:
    assert Retrieval.model_validate({"negatives": "mixed"}).negatives == ItemNegatives(source="mixed")
    assert Retrieval.model_validate({}).negatives.source == "in_batch"


def test_a_recipe_survives_json() -> None:
    """What a bundle keeps has every setting in it, and none of them may then contradict another."""
    for given in (
        {},
        {"loss": "log_loss"},
        {"negatives": {"source": "uniform", "count": 5}},
        {"negatives": "catalogue"},
        {"loss": "ccl", "ccl_weight": 9.0},
        {"negatives": {"source": "popularity", "alpha": 0.5}},
    ):
        settings = Retrieval.model_validate(given)
        assert Retrieval.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("values", "where", "what"),
    [
        ({"negatives": "random"}, "negatives.source", "Input should be 'in_batch', 'uniform'"),
        ({"negatives": {"source": "catalogue", "count": 5}}, "negatives.count", "catalogue draws none"),
        ({"negatives": {"count": 5}}, "negatives.count", "in_batch draws none"),
        ({"negatives": {"source": "mixed", "shared": False}}, "negatives.shared", "mixed is the same for every row"),
        ({"negatives": {"source": "catalogue", "hard": 5}}, "negatives.hard", "hardest of the whole catalogue"),
        ({"negatives": {"source": "uniform", "hard": 300}}, "negatives.hard", "300 of 256 negatives"),
        ({"negatives": {"source": "uniform", "hard": 3, "logq": 0.5}}, "negatives.logq", "no sample"),
        ({"negatives": {"source": "catalogue", "logq": 0.5}}, "negatives.logq", "no sample"),
        ({"loss": "bpr", "negatives": {"logq": 0.0}}, "negatives.logq", "bpr corrects no scores"),
        ({"loss": "gbce"}, "gbce_t", "these are in_batch"),
        ({"loss": "gbce", "negatives": {"source": "uniform", "hard": 9}}, "gbce_t", "the hardest of them"),
        ({"loss": "log_loss", "negatives": "uniform"}, "negatives", "the log's own negatives"),
        ({"negatives": {"source": "uniform", "alpha": 0.5}}, "negatives.alpha", "uniform draws nothing by popularity"),
        ({"loss": "bpr", "ccl_weight": 9.0}, "ccl_weight", 'bpr does not read it: leave it out, or set loss = "ccl"'),
        ({"ccl_margin": 0.5}, "ccl_margin", "softmax does not read it"),
        ({"loss": "log_loss", "gbce_t": 0.0}, "gbce_t", "log_loss does not read it"),
        ({"loss": "ccl", "ccl_margin": 1.0}, "ccl_margin", "less than 1"),
    ],
)
def test_contradictions_are_refused_where_they_are(values: dict[str, Any], where: str, what: str) -> None:
    (problem,) = problems(**values)

    assert problem.startswith(f"retrieval.{where}: ")
    assert what in problem


@pytest.mark.parametrize(
    "values",
    [
        {"loss": "gbce", "gbce_t": 0.0},
        {"loss": "gbce", "negatives": "catalogue"},
        {"negatives": {"source": "popularity", "alpha": 0.5}},
        {"loss": "ccl", "ccl_margin": 0.5, "ccl_weight": 9.0},
        {"loss": "bpr", "negatives": {"source": "popularity", "shared": False, "count": 1}},
        {"loss": "ccl", "negatives": {"source": "uniform", "count": 1000, "hard": 50}},
    ],
)
def test_what_fits_together_is_taken(values: dict[str, Any]) -> None:
    assert problems(**values) == []
