"""The sections of a recipe: which stages there are when none is named, and the way through a bundle's JSON."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shortlist.recipe import Recipe
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.training import Model
from shortlist.schema.expression import Expression

DATA = {"interactions": "log.csv"}


def read(roles: dict[str, Any], **sections: Any) -> Recipe:
    return Recipe.model_validate({"data": DATA, "schema": roles, **sections})


BOTH = {"user_id": "user", "item_id": "item"}


@pytest.mark.parametrize(
    ("roles", "sections", "stages"),
    [
        (BOTH, {}, {"retrieval", "ranking"}),
        ({"targets": {"clicked": "label"}}, {}, {"ranking"}),
        ({"item_id": "item"}, {}, {"ranking"}),
        (BOTH, {"retrieval": {}}, {"retrieval"}),
        (BOTH, {"ranking": {}}, {"ranking"}),
        (BOTH, {"ranking": {}, "retrieval": {}}, {"retrieval", "ranking"}),
        ({"session_id": "visit", "item_id": "item"}, {}, {"retrieval", "ranking"}),
    ],
)
def test_stages_are_those_named_or_what_the_data_permits(
    roles: dict[str, Any], sections: dict[str, Any], stages: set[str]
) -> None:
    recipe = read(roles, **sections)

    assert {name for name in ("retrieval", "ranking") if getattr(recipe, name) is not None} == stages


def test_sessions_stand_in_the_place_of_users() -> None:
    recipe = read({"session_id": "visit", "item_id": "item"})

    assert recipe.schema_.user_column == "visit"
    assert read(BOTH).schema_.user_column == "user"
    with pytest.raises(ValueError, match="Leave session_id out where users are known"):
        read({**BOTH, "session_id": "visit"})


def test_sessions_are_asked_for_at_their_events_unless_the_recipe_says_otherwise() -> None:
    roles = {"session_id": "visit", "item_id": "item", "timestamp": "at"}
    parts = {"interactions": {"train": "a.csv", "test": "b.csv"}}

    assert read(BOTH).split.requests == "user"
    assert read({"session_id": "visit", "item_id": "item"}).split.requests == "user", "without times nothing is earlier"
    assert read(roles).split.requests == "event"
    assert read(roles, split={"kind": "leave_one_out"}).split.requests == "event"
    assert read(roles, split={"requests": "user"}).split.requests == "user"
    assert Recipe.model_validate({"data": parts, "schema": roles}).split.requests == "event"
    assert Recipe.model_validate_json(read(roles).model_dump_json(by_alias=True)) == read(roles)


def test_the_wide_part_is_trained_as_published() -> None:
    assert Ranking().wide.name == "ftrl"


def test_a_model_without_a_name_is_the_stages_default() -> None:
    assert Retrieval.model_validate({"model": {"dim": 8}}).model == Model.model_validate(
        {"name": "two_tower", "dim": 8}
    )
    assert Ranking.model_validate({"model": {}}).model == Model(name="wide_deep")
    assert Ranking.model_validate({"model": "mine"}).model == Model(name="mine")


def test_a_models_settings_are_those_beside_its_name() -> None:
    assert Model.model_validate({"name": "two_tower", "dim": 8}).settings() == {"dim": 8}


def test_a_recipe_survives_the_json_of_a_bundle() -> None:
    recipe = read(
        {**BOTH, "targets": {"liked": "rating >= 4"}},
        features={"item": {"year": "numeric", "genres": {"kind": "multi_hot", "separator": ";"}}},
        ranking={"model": {"name": "wide_deep", "crosses": [["user.id", "item.id"]]}},
    )
    json = recipe.model_dump_json(by_alias=True)

    assert Recipe.model_validate_json(json) == recipe
    assert Recipe.model_validate_json(json).retrieval is None


def test_targets_in_docs_are_expressions() -> None:
    """`init` and the docs show this one; it must stay one."""
    assert Expression.parse("rating >= 4").columns() == ("rating",)


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "a/b"])
def test_a_run_is_never_put_outside_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        read(BOTH, name=name)


def test_every_setting_has_its_doc() -> None:
    def sections(cls: Any) -> list[Any]:
        inner = [field.annotation for field in cls.model_fields.values() if hasattr(field.annotation, "model_fields")]
        return [cls, *(deeper for section in inner for deeper in sections(section)), Retrieval, Ranking]

    undocumented = {
        f"{cls.__name__}.{name}"
        for cls in sections(Recipe)
        for name, field in cls.model_fields.items()
        if not field.description
    }

    assert undocumented == set()


def test_a_ranker_needs_validation() -> None:
    assert read(BOTH, split={"valid": 0}, retrieval={}).split.valid == 0
    with pytest.raises(ValidationError, match=r"split\.valid: 0 leaves a ranker nothing to choose its epoch on"):
        read(BOTH, split={"valid": 0}, retrieval={}, ranking={})


def test_how_tables_are_parted_is_said_where_they_are() -> None:
    parted = read(BOTH, compute={"embeddings": "torchrec", "sharding": "table_wise"})

    assert Recipe.model_validate(parted.model_dump(mode="json", by_alias=True)).compute.sharding == "table_wise"
    with pytest.raises(ValidationError, match='embeddings is "memory": leave it out'):
        read(BOTH, compute={"sharding": "row_wise"})
