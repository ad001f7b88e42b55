"""The two catalogues, and building a model from what a recipe says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shortlist.core.errors import Problem, RecipeError, UserError
from shortlist.core.registry import Catalogue
from shortlist.core.settings import Settings, read_settings
from shortlist.models.base import RankingModel, RetrievalModel
from shortlist.nn.history import HistorySettings
from shortlist.recipe.sections import Model, Ranking, Retrieval
from shortlist.schema import Inputs

RANKING = Catalogue("shortlist.models.ranking", "ranking model")
RETRIEVAL = Catalogue("shortlist.models.retrieval", "retrieval model")


def check_models(values: Mapping[str, Any]) -> list[Problem]:
    """Problems of the models that a recipe's values name: unknown names, unknown or impossible settings.

    What is wrong with the sections around them is the recipe's own affair and passed over here.
    """
    problems: list[Problem] = []
    for stage, section, catalogue in (("retrieval", Retrieval, RETRIEVAL), ("ranking", Ranking, RANKING)):
        given = values.get(stage)
        model = section.named(given.get("model")) if isinstance(given, dict) else None
        choice = read_settings(Model, model)[0] if isinstance(model, dict) else None
        if choice is not None:
            problems += _read_config(catalogue, choice, f"{stage}.model")[1]
    return problems


def ranking_model(choice: Model, inputs: Inputs) -> RankingModel:
    """The ranking model a recipe names, freshly initialised from torch's current random state."""
    config = _config(RANKING, choice, "ranking.model")
    if not (isinstance(config, HistorySettings) and config.reads_events):
        # What nothing reads is not gathered either.
        inputs = replace(inputs, past=())
    built: RankingModel = RANKING[choice.name](config, inputs)
    return built


def retrieval_model(choice: Model, query: Inputs, candidate: Inputs) -> RetrievalModel:
    """The retrieval model a recipe names, freshly initialised from torch's current random state."""
    config = _config(RETRIEVAL, choice, "retrieval.model")
    built: RetrievalModel = RETRIEVAL[choice.name](config, query, candidate)
    return built


def _config(catalogue: Catalogue, choice: Model, where: str) -> Settings:
    config, problems = _read_config(catalogue, choice, where)
    if config is None:
        raise RecipeError(problems)
    return config


def _read_config(catalogue: Catalogue, choice: Model, where: str) -> tuple[Settings | None, list[Problem]]:
    try:
        model: Any = catalogue[choice.name]
    except UserError as error:
        return None, [Problem(f"{where}.name", str(error))]
    return read_settings(model.Config, choice.settings(), where)
