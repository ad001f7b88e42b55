"""What a recipe says of its tables: one, or one for each part."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.core.errors import RecipeError
from shortlist.recipe import Recipe, parse_recipe
from shortlist.recipe.sources import source_name, table_name

PARTS = '[data]\ninteractions = {train = "a.parquet", test = "b.parquet"}\n[schema]\ntargets.x = "y"\n'


def problem(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text)
    return str(caught.value)


def test_a_text_is_one_table_and_both_forms_resolve_against_the_folder() -> None:
    one = parse_recipe('[data]\ninteractions = "log.csv"\n[schema]\n', data_dir=Path("/shop")).data.interactions
    assert (one.table, one.parts, one.sources) == ("/shop/log.csv", {}, ("/shop/log.csv",))
    parts = parse_recipe(PARTS, data_dir=Path("/shop")).data.interactions
    assert parts.parts == {"train": "/shop/a.parquet", "test": "/shop/b.parquet"}


def test_the_command_line_may_put_other_files_in_their_place() -> None:
    changed = parse_recipe(PARTS, overrides=["data.interactions.valid=v.parquet", "data.interactions.test=t.parquet"])
    assert changed.data.interactions.parts == {"train": "a.parquet", "valid": "v.parquet", "test": "t.parquet"}
    whole = parse_recipe(PARTS, overrides=['data.interactions={train = "x.csv", test = "y.csv"}'])
    assert whole.data.interactions.sources == ("x.csv", "y.csv")
    assert parse_recipe(PARTS, overrides=["data.interactions=all.csv"]).data.interactions.sources == ("all.csv",)


def test_the_files_say_the_split() -> None:
    recipe = parse_recipe(PARTS + "[split]\nvalid = 0.2\n")
    assert (recipe.split.kind, recipe.split.valid) == ("column", 0.2)
    assert Recipe.model_validate(recipe.model_dump(by_alias=True)) == recipe
    assert "kind = 'random' has no say" in problem(PARTS + '[split]\nkind = "random"\n')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('{train = "a"}', "test is missing"),
        ('{valid = "a"}', "train and test is missing"),
        ("{}", "train and test is missing"),
        ('{table = "a", test = "b"}', "names the whole log (table) and parts of it (test)"),
        ('{train = "a", tset = "b"}', "data.interactions.tset: no such setting. Did you mean `test`?"),
    ],
)
def test_half_a_log_is_refused(given: str, message: str) -> None:
    assert message in problem(f"[data]\ninteractions = {given}\n[schema]\n")


@pytest.mark.parametrize(
    ("columns", "message"), [('["a", "b", "a"]', "found a more than once"), ('["a", "#b"]', "do not begin with #")]
)
def test_columns_have_names_of_their_own(columns: str, message: str) -> None:
    assert message in problem(f'[data]\ninteractions = "a.txt"\ncolumns = {columns}\n[schema]\n')


TABLES = '[data]\ninteractions = "table:main.shop.log"\nitems = "table:delta.`/lake/items`"\n[schema]\n'


def test_a_table_of_a_catalogue_has_no_folder() -> None:
    found = parse_recipe(TABLES, overrides=["compute.engine=spark"], data_dir=Path("/shop")).data
    assert found.sources == {"data.interactions": "table:main.shop.log", "data.items": "table:delta.`/lake/items`"}
    assert [table_name(source) for source in found.sources.values()] == ["main.shop.log", "delta.`/lake/items`"]
    assert source_name("table:main.shop.log") == "main.shop.log"
    assert source_name("/shop/log.csv") == "log.csv"
    assert table_name("/shop/table:log") is None


def test_a_table_of_a_catalogue_is_of_spark() -> None:
    said = problem(TABLES)
    assert 'data.interactions: a table of a Spark catalogue is read with compute.engine = "spark"' in said
    assert "data.items: a table of a Spark catalogue" in said


def test_a_table_of_a_catalogue_has_names_for_its_columns() -> None:
    text = TABLES.replace("items =", 'columns = ["a"]\nitems =') + '[compute]\nengine = "spark"\n'
    assert "data.columns: names the columns of text files" in problem(text)
