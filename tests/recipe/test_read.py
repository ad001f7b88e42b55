"""Reading a recipe: strictly, all errors together, each with its line and the setting that was probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from shortlist.core.errors import Problem, RecipeError
from shortlist.models.catalogue import check_models
from shortlist.recipe import load_recipe, parse_recipe
from shortlist.recipe.features import Numeric

MINIMAL = """\
[data]
interactions = "ratings.csv"

[schema]
user_id = "user"
item_id = "item"
"""


def problems(more: str = "", overrides: Sequence[str] = ()) -> list[Problem]:
    """What is wrong with the minimal recipe and some more of it; its own text has 6 lines."""
    with pytest.raises(RecipeError) as refused:
        parse_recipe(MINIMAL + more, "shop.toml", overrides, check=check_models)
    return list(refused.value.problems)


def test_all_errors_come_together_with_their_lines() -> None:
    more = """\
timestmp = "ts"

[retrieval]
epochs = "many"

[retrieval.dense]
lr = 0
name = "adamant"

[ranking.model]
hiden = [3]
"""
    found = {problem.where: problem.line for problem in problems(more)}

    assert found == {
        "schema.timestmp": 7,
        "retrieval.epochs": 10,
        "retrieval.dense.lr": 13,
        "retrieval.dense.name": 14,
        "ranking.model.hiden": 17,
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('titel = "name"\n', Problem("schema.titel", "no such setting. Did you mean `title`?", 7)),
        ("[evalution]\n", Problem("evalution", "no such setting. Did you mean `evaluation`?", 7)),
        (
            "[retrieval.model]\nhiden = [3]\n",
            Problem("retrieval.model.hiden", "no such setting. Did you mean `hidden`?", 8),
        ),
        (
            '[ranking]\nmodel = { name = "wide_dep" }\n',
            Problem("ranking.model.name", "no ranking model is called 'wide_dep'. Did you mean `wide_deep`?", 8),
        ),
        (
            '[features.item.year]\nkind = "numeric"\nbuckts = 3\n',
            Problem("features.item.year.buckts", "no such setting. Did you mean `buckets`?", 9),
        ),
        (
            '[features.item]\nyear = { kind = "numeric", buckets = 1 }\n',
            Problem("features.item.year.buckets", "Input should be greater than or equal to 2, found 1", 8),
        ),
        (
            '[features.item]\nyear = "numerc"\n',
            Problem("features.item.year", "no kind is called 'numerc'. Did you mean `numeric`?", 8),
        ),
        ("[split]\nvalid = 0.5\ntest = 0.4\n", Problem("split", "valid + test = 0.9 leaves too little", 7)),
        ("[funnel]\nretrieval_weight = -1\n", Problem("funnel.retrieval_weight", "must not be negative", 8)),
    ],
)
def test_a_mistake_is_named_where_it_is(more: str, expected: Problem) -> None:
    (found,) = problems(more)

    assert (found.where, found.line) == (expected.where, expected.line)
    assert found.message.startswith(expected.message)


def test_a_required_setting_is_named() -> None:
    with pytest.raises(RecipeError, match=r"data\.interactions: is required and is not there"):
        parse_recipe("[data]\n[schema]\n")


def test_text_that_is_no_toml_says_where() -> None:
    with pytest.raises(RecipeError, match=r"not TOML: .*at line 2"):
        parse_recipe("[data]\ninteractions = \n")


def test_quoted_and_dotted_keys_have_their_line() -> None:
    (found,) = problems('\n[features]\nitem."release year".kind = "numbr"\n')

    assert (found.where, found.line) == ("features.item.release year", 9)


def test_the_name_is_the_files() -> None:
    assert parse_recipe(MINIMAL, "coffee shop.toml").name == "coffee-shop"
    assert parse_recipe('name = "mine"\n' + MINIMAL, "coffee shop.toml").name == "mine"


@pytest.mark.parametrize(
    ("entry", "path", "value"),
    [
        ("ranking.epochs=3", "ranking.epochs", 3),
        ("ranking.model.hidden=[256,128]", "ranking.model.hidden", [256, 128]),
        ("funnel.exclude_seen=false", "funnel.exclude_seen", False),
        ("retrieval.dense.lr=1e-2", "retrieval.dense.lr", 0.01),
        ("retrieval.model=two_tower", "retrieval.model.name", "two_tower"),
        ('compute.device="cpu"', "compute.device", "cpu"),
        ("compute.device = cpu", "compute.device", "cpu"),
        ("schema_.targets.liked=rating >= 4", "schema_.targets.liked.value", "rating >= 4"),
    ],
)
def test_an_override_is_toml_or_plain_text(entry: str, path: str, value: object) -> None:
    found: object = parse_recipe(MINIMAL, overrides=[entry.replace("schema_", "schema")], check=check_models)
    for part in path.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)

    assert found == value


def test_an_override_may_turn_a_short_form_into_settings() -> None:
    recipe = parse_recipe(
        MINIMAL + '[retrieval]\nmodel = "two_tower"\n', overrides=["retrieval.model.dim=8"], check=check_models
    )

    assert recipe.retrieval is not None
    assert recipe.retrieval.model.model_dump() == {"name": "two_tower", "dim": 8}


def test_an_override_leaves_the_default_stages_as_they_are() -> None:
    recipe = parse_recipe(MINIMAL, overrides=["ranking.epochs=1"])

    assert recipe.retrieval is not None
    assert recipe.ranking is not None
    assert recipe.ranking.epochs == 1


def test_overrides_are_read_as_strictly_as_the_file() -> None:
    found = problems(overrides=["ranking.epoch=1", "epochs", "=3", "data.interactions.path=x"])

    assert [(problem.where, problem.message) for problem in found] == [
        ("--set", "expected section.setting=value, found 'epochs'"),
        ("--set", "expected section.setting=value, found '=3'"),
        ("--set", "data.interactions.path: `interactions` is not a section"),
        ("ranking.epoch", "no such setting. Did you mean `epochs`? (from --set)"),
    ]


def test_sources_lie_beside_the_recipe_or_in_the_data_folder(tmp_path: Path) -> None:
    recipe = tmp_path / "recipes" / "shop.toml"
    recipe.parent.mkdir()
    recipe.write_text(MINIMAL.replace("[schema]", 'users = "/elsewhere/users.csv"\n[schema]'))
    (tmp_path / "tables").mkdir()

    beside = load_recipe(recipe)
    pointed = load_recipe(recipe, data_dir=tmp_path / "tables")

    assert beside.data.interactions.table == str(recipe.parent / "ratings.csv")
    assert pointed.data.interactions.table == str(tmp_path / "tables" / "ratings.csv")
    assert pointed.data.users == "/elsewhere/users.csv"
    assert pointed.data.items is None


@pytest.mark.parametrize(
    ("place", "found"),
    [("vectors", "shop/vectors"), ("/elsewhere/vectors", "/elsewhere/vectors"), ("s3://shop/v", "s3://shop/v")],
)
def test_the_place_of_an_index_lies_beside_the_recipe_unless_it_is_an_address(
    tmp_path: Path, place: str, found: str
) -> None:
    recipe = tmp_path / "shop" / "shop.toml"
    recipe.parent.mkdir()
    recipe.write_text(MINIMAL + f'[funnel]\nindex = {{kind = "lancedb", place = "{place}"}}\n')
    expected = found if "://" in found else str(tmp_path / found)

    assert load_recipe(recipe).funnel.index.place == expected
    assert load_recipe(recipe, data_dir=tmp_path).funnel.index.place == expected


FITTED = '[retrieval]\nmodel = "item_knn"\n'
INDEX = '[funnel]\nindex = "faiss"\n'


@pytest.mark.parametrize("stages", [FITTED, FITTED + '[sources.more]\nmodel = "ease"\n', "[ranking]\n"])
@pytest.mark.parametrize("index", [INDEX, '[funnel]\nindex = {kind = "lancedb"}\n'])
def test_an_index_needs_a_source_with_towers(stages: str, index: str) -> None:
    (found,) = problems(stages + index)
    assert found.where == "funnel.index"
    assert "no source of candidates has a query tower" in found.message


@pytest.mark.parametrize(
    "stages",
    [
        "",
        "[retrieval]\n",
        '[retrieval]\nmodel = "sasrec"\n',
        FITTED + '[sources.towers]\nmodel = "two_tower"\n',
    ],
)
def test_an_index_of_some_source_with_towers_is_read(stages: str) -> None:
    recipe = parse_recipe(MINIMAL + stages + INDEX, "shop.toml", check=check_models)
    assert recipe.funnel.index.kind == "faiss"
    unasked = parse_recipe(MINIMAL + FITTED + '[funnel]\nindex = "auto"\n', "shop.toml", check=check_models)
    assert unasked.funnel.index.kind == "auto"


def test_of_an_index_and_an_unknown_model_the_model_alone_is_a_problem() -> None:
    (found,) = problems('[retrieval]\nmodel = "item_kn"\n' + INDEX)
    assert found.where == "retrieval.model.name"


TABLE = '[data]\ninteractions = "ratings.csv"\nusers = "users.csv"\n[schema]\nuser_id = "user"\nitem_id = "item"\n'
USERS = f"""{TABLE}\
[features.user]
country = "categorical"
age = "numeric"
since = {{kind = "timestamp", parts = ["hour"]}}
income = {{kind = "numeric", transform = "bucketise"}}
"""


def segmented(head: str, segment: str) -> str:
    return f'{head}[sources.fresh]\nmodel = {{name = "popularity", segment = "{segment}"}}\n[retrieval]\n'


@pytest.mark.parametrize(
    ("head", "segment", "hint"),
    [
        (USERS, "contry", " Did you mean `country`?"),
        (USERS, "age", " There is: country, income, since.hour."),
        (TABLE + "[features.user]\n", "country", " There is none: name data.users"),
        (MINIMAL, "country", " There is none: name data.users, and its columns in [features.user]."),
    ],
)
def test_a_segment_is_a_field_of_users(head: str, segment: str, hint: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(segmented(head, segment), "shop.toml", check=check_models)

    (found,) = refused.value.problems
    assert (found.where, found.line) == ("sources.fresh.model.segment", head.count("\n") + 2)
    assert found.message.startswith(f"no categorical feature of users is called {segment!r}.{hint}")


@pytest.mark.parametrize(
    ("head", "segment"),
    [(USERS, "country"), (USERS, "since.hour"), (USERS, "income"), (TABLE, "inferred")],
)
def test_a_segment_that_users_have_or_may_have_is_read(head: str, segment: str) -> None:
    parse_recipe(segmented(head, segment), "shop.toml", check=check_models)


NEIGHBOURS = '[retrieval]\n[sources.neighbours]\nmodel = "item_knn"\n'


@pytest.mark.parametrize("more", ["quota = 20\n", "model = {neighbours = 5}\n", ""])
def test_a_source_names_its_model(more: str) -> None:
    (found,) = problems(f"{NEIGHBOURS}[sources.other]\n{more}")

    said = 'names no model: every source has its own, as in model = "item_knn".'
    assert (found.where, found.line, found.message) == ("sources.other", 10, said)


def test_a_misspelt_source_is_no_source_more() -> None:
    (found,) = problems(NEIGHBOURS, ["sources.neighbors.quota=20"])

    assert (found.where, found.line) == ("sources.neighbors", 0)
    assert found.message.endswith(" Did you mean `neighbours`? (from --set)")
    parse_recipe(MINIMAL + NEIGHBOURS, "shop.toml", ["sources.neighbours.quota=20"], check=check_models)
    parse_recipe(MINIMAL + NEIGHBOURS, "shop.toml", ["sources.more.model=ease"], check=check_models)


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no file .*absent\.toml"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "shop.toml").write_text(MINIMAL)
    with pytest.raises(RecipeError, match=r"--data: no folder .*absent"):
        load_recipe(tmp_path / "shop.toml", data_dir=tmp_path / "absent")


def test_a_features_short_form_is_its_kind() -> None:
    recipe = parse_recipe(MINIMAL + '[features.item]\nyear = "numeric"\n')

    assert recipe.features.item == {"year": Numeric()}
    assert recipe.features.user is None
