"""`data`: listing and fetching known data sets, with what to do where there is no internet."""

from __future__ import annotations

import json
from pathlib import Path

from shortlist.data.known import KNOWN
from shortlist.data.published import MADE_UP, PUBLISHED
from tests.cli.conftest import Shortlist

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
NOBODY_LISTENS = "http://127.0.0.1:9/ml-1m.zip"


def test_the_list_has_every_data_set_and_its_terms(shortlist: Shortlist) -> None:
    text, result = shortlist("data", "list"), json.loads(shortlist("data", "list", "--json").out)

    assert [entry["name"] for entry in result] == [*KNOWN, *PUBLISHED, *MADE_UP]
    assert {entry["action"] for entry in result} == {"get", "convert", "make"}
    assert all(entry["title"] in text.out for entry in result)
    assert all(known.terms in text.out for known in KNOWN.values())


def test_without_a_connection_it_says_how_to_do_it_by_hand(tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("data", "get", "movielens-1m", "--folder", tmp_path, "--url", NOBODY_LISTENS)

    assert said.code == 3
    assert "no connection" in said.err
    assert "by hand" in said.err
    assert str(tmp_path / "movielens-1m" / "ml-1m.zip") in said.err


def test_what_is_there_is_not_fetched_again(tmp_path: Path, shortlist: Shortlist) -> None:
    folder = tmp_path / "movielens-1m"
    folder.mkdir()
    for name in KNOWN["movielens-1m"].tables:
        (folder / name).touch()

    said = shortlist("data", "get", "movielens-1m", "--folder", tmp_path, "--url", NOBODY_LISTENS)

    assert said.code == 0
    assert "already in" in said.err
    assert f"shortlist init {folder}/movies.parquet" in said.err


def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("data", "get", "movielens1m", "--folder", tmp_path)

    assert said.code == 2
    assert "Did you mean `movielens-1m`?" in said.err


def test_a_log_is_made_up_and_another_converted(tmp_path: Path, shortlist: Shortlist) -> None:
    made = shortlist("data", "make", "outbrain", tmp_path, "--rows", "300")
    assert made.code == 0
    assert "clicks_train.csv" in made.err

    converted = shortlist("data", "convert", "outbrain", tmp_path)
    assert converted.code == 0
    assert f"{tmp_path}/displays.parquet" in converted.err


def test_a_recipe_on_original_files_says_how_to_convert_them(tmp_path: Path, shortlist: Shortlist) -> None:
    run = ("prepare", RECIPES / "frappe.toml", "--data", tmp_path, "--runs", tmp_path / "runs")
    assert "data convert" not in shortlist(*run).err

    for name in PUBLISHED["frappe"].files:
        (tmp_path / name).touch()
    said = shortlist(*run)

    assert said.code == 3
    assert f"nothing at {tmp_path}/train.parquet" in said.err
    assert said.err.endswith(f"convert them: shortlist data convert frappe {tmp_path}\n")


def test_original_files_that_are_not_there_are_named(tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("data", "convert", "frappe", tmp_path)
    assert said.code == 3
    assert "frappe.train.libfm" in said.err

    assert "Did you mean `criteo`?" in shortlist("data", "make", "critoe", tmp_path).err
    assert shortlist("data", "make", "criteo", tmp_path, "--rows", "0").code == 2
