"""`data`: listing and fetching known data sets, with what to do where there is no internet."""

from __future__ import annotations

import json
from pathlib import Path

from shortlist.data.known import KNOWN
from tests.cli.conftest import Shortlist

NOBODY_LISTENS = "http://127.0.0.1:9/ml-1m.zip"


def test_the_list_has_every_data_set_and_its_terms(shortlist: Shortlist) -> None:
    text, result = shortlist("data", "list"), json.loads(shortlist("data", "list", "--json").out)

    assert [entry["name"] for entry in result] == list(KNOWN)
    assert all(known.title in text.out and known.terms in text.out for known in KNOWN.values())


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
