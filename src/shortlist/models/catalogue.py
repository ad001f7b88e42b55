"""The two catalogues, and building a model from what a recipe says of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from shortlist.core.errors import Problem, RecipeError, UserError
from shortlist.core.registry import Catalogue
from shortlist.core.settings import Settings, read_settings
from shortlist.core.suggest import did_you_mean
from shortlist.models.base import MatrixModel, RankingModel, RetrievalModel
from shortlist.nn.history import EventSettings
from shortlist.recipe.features import field_names
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.retrieval import Retrieval, Source
from shortlist.recipe.sections import Features, Recipe
from shortlist.recipe.training import Model, Training
from shortlist.schema import Inputs, Side
from shortlist.schema.columns import USER_ID

RANKING = Catalogue("shortlist.models.ranking", "ranking model")
RETRIEVAL = Catalogue("shortlist.models.retrieval", "retrieval model")


def check_models(values: Mapping[str, Any]) -> list[Problem]:
    """Problems of the models that a recipe's values name: unknown names, unknown or impossible settings.

    What is wrong with the sections around them is the recipe's own affair and passed over here.
    """
    fields = _user_fields(values)
    problems = _problems_of(values.get("retrieval"), "retrieval", Retrieval, RETRIEVAL, fields)
    sources = values.get("sources")
    for name, given in sources.items() if isinstance(sources, dict) else ():
        problems += _problems_of(given, f"sources.{name}", Source, RETRIEVAL, fields)
    problems += _problems_of(values.get("ranking"), "ranking", Ranking, RANKING)
    return problems + _problems_of_index(values)


def check_user_fields(sources: Mapping[str, Retrieval], users: Inputs) -> list[Problem]:
    """Problems of settings of sources, by their sections, that name a field which the prepared users do not have."""
    fields = [column.name.removeprefix(f"{Side.USER}.") for column in users.fields if column.name != USER_ID]
    return [
        problem
        for where, source in sources.items()
        for problem in _problems_of_field(RETRIEVAL[source.model.name], config_of(source), f"{where}.model", fields)
    ]


def ranking_model(choice: Model, inputs: Inputs) -> RankingModel:
    """The ranking model a recipe names, freshly initialised from torch's current random state."""
    config = _config(RANKING, choice, "ranking.model")
    built: RankingModel = RANKING[choice.name](config, _told(inputs, config))
    return built


def retrieval_model(choice: Model, query: Inputs, candidate: Inputs) -> RetrievalModel:
    """The retrieval model a recipe names, freshly initialised from torch's current random state."""
    config = _config(RETRIEVAL, choice, "retrieval.model")
    built: RetrievalModel = RETRIEVAL[choice.name](config, _told(query, config), candidate)
    return built


def is_fitted(choice: Model) -> bool:
    """Whether the retrieval model a recipe names is fitted in one go, and not trained in epochs."""
    return issubclass(RETRIEVAL[choice.name], MatrixModel)


def matrix_model(choice: Model) -> MatrixModel:
    """The model that a recipe names, one that `is_fitted`."""
    built: MatrixModel = RETRIEVAL[choice.name](_config(RETRIEVAL, choice, "retrieval.model"))
    return built


def config_of(section: Retrieval | Ranking) -> Settings:
    """All settings of the model that a section of the recipe names, with the defaults of those it leaves out."""
    return _config(RANKING if isinstance(section, Ranking) else RETRIEVAL, section.model, "model")


def all_settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON values, with the settings of its models that it leaves at their defaults."""
    found = recipe.model_dump(mode="json", by_alias=True)
    sections = [(found["retrieval"], recipe.retrieval), (found["ranking"], recipe.ranking)]
    sections += [(found["sources"][name], source) for name, source in recipe.sources.items()]
    for values, section in sections:
        if section is not None:
            values["model"] |= config_of(section).model_dump(mode="json")
    return found


def _told(inputs: Inputs, config: Settings) -> Inputs:
    """What a model is told of past events beside their items: what nothing reads is not gathered either."""
    reads_events = isinstance(config, EventSettings) and config.reads_events
    return inputs if reads_events else replace(inputs, past=())


def _problems_of(
    given: Any, where: str, section: type[Training], catalogue: Catalogue, fields: Collection[str] | None = None
) -> list[Problem]:
    """Problems of the model that one section names, and of settings around it that the model has no use for.

    `fields` are those of users, None where the recipe does not tell.
    """
    model = section.named(given.get("model")) if isinstance(given, dict) else None
    choice = read_settings(Model, model)[0] if isinstance(model, dict) else None
    if choice is None:
        return []
    config, problems = _read_config(catalogue, choice, f"{where}.model")
    if config is not None and fields is not None:
        problems += _problems_of_field(catalogue[choice.name], config, f"{where}.model", fields)
    if choice.name in catalogue and issubclass(catalogue[choice.name], MatrixModel):
        problems += [
            Problem(f"{where}.{name}", f"{choice.name} is fitted in one go and has no use for it: leave it out")
            for name in given
            if name in section.model_fields and name not in ("model", "quota")
        ]
    return problems


def _user_fields(values: Mapping[str, Any]) -> list[str] | None:
    """The fields of users by what a recipe says; None where their features are inferred from their table, or wrong."""
    data, given = values.get("data"), values.get("features")
    features = read_settings(Features, given)[0] if isinstance(given, dict) else Features()
    if features is None:
        return None
    if features.user is None:
        return [] if isinstance(data, dict) and data.get("users") is None else None
    return [field for name, feature in features.user.items() for field in field_names(name, feature)]


def _problems_of_field(model: Any, config: Settings, where: str, fields: Collection[str]) -> list[Problem]:
    """Of a setting that names a field of users which is none of `fields`."""
    setting = model.names_user_field if issubclass(model, MatrixModel) else None
    name = None if setting is None else getattr(config, setting)
    if name is None or name in fields:
        return []
    hint = did_you_mean(name, fields) or " There is none: name data.users, and its columns in [features.user]."
    return [Problem(f"{where}.{setting}", f"no categorical feature of users is called {name!r}.{hint}")]


def _problems_of_index(values: Mapping[str, Any]) -> list[Problem]:
    """Of an index that is asked for by its kind, where no source searches one."""
    funnel, further = values.get("funnel"), values.get("sources")
    given = funnel.get("index") if isinstance(funnel, dict) else None
    kind = given.get("kind") if isinstance(given, dict) else given
    sources = [values.get("retrieval"), *(further.values() if isinstance(further, dict) else ())]
    if kind not in ("faiss", "lancedb") or any(_may_have_towers(source) for source in sources):
        return []
    what = "no source of candidates has a query tower, and others look at every item"
    return [Problem("funnel.index", f"{what}: leave it out, or let [retrieval] have a model that is trained in epochs")]


def _may_have_towers(source: Any) -> bool:
    """Whether a section names a model that is not fitted; a model that no one knows is a problem of its own."""
    if not isinstance(source, dict):
        return source is not None
    model = Retrieval.named(source.get("model", {}))
    name = model.get("name") if isinstance(model, dict) else None
    return not (isinstance(name, str) and name in RETRIEVAL and issubclass(RETRIEVAL[name], MatrixModel))


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
