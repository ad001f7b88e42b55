"""The written recipe: TOML that keeps every value, docs beside settings, paths that hold when the folder moves."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.recipe.sections import Funnel
from shortlist.recipe.training import Training
from shortlist.tables.propose import toml
from shortlist.tables.propose.proposal import recipe_path
from shortlist.tables.propose.words import Part, kind_of_event, plays

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, st.text())
def test_whatever_is_written_is_read_back(value: Any, name: str) -> None:
    assert tomllib.loads(f"{toml.key(name)} = {toml.value(value)}") == {name: value}


def test_a_setting_stands_below_its_doc_at_its_default() -> None:
    assert toml.offered(Training, "epochs") == ["# Most passes over the training rows.", "# epochs = 10"]
    assert toml.chosen(Funnel, "candidates", 9)[-1] == "candidates = 9"


def test_remarks_stand_one_below_another() -> None:
    assert toml.aligned([("a = 1", "one"), ("longer = 2", "two"), ("c = 3", "")]) == [
        "a = 1        # one",
        "longer = 2   # two",
        "c = 3",
    ]


@pytest.mark.parametrize(
    ("source", "folder", "expected"),
    [
        ("log.csv", ".", "log.csv"),
        ("data/log.csv", ".", "data/log.csv"),
        ("data/log.csv", "recipes", "../data/log.csv"),
        ("data/*.csv", "data", "*.csv"),
        ("/far/away/log.csv", ".", "/far/away/log.csv"),
        ("/far/away/log.csv", "/far", "away/log.csv"),
    ],
)
def test_paths_are_relative_unless_they_lead_elsewhere(source: str, folder: str, expected: str) -> None:
    assert recipe_path(source, Path(folder)) == expected


@pytest.mark.parametrize("name", ["user_id", "userId", "USER", "CustomerID", "visitor_id", "reviewerID", "uid"])
def test_names_of_users(name: str) -> None:
    assert plays(name, Part.USER)
    assert not plays(name, Part.ITEM)


@pytest.mark.parametrize("name", ["item_id", "movieId", "ISBN", "Product-Code", "asin", "track_id"])
def test_names_of_items(name: str) -> None:
    assert plays(name, Part.ITEM)
    assert not plays(name, Part.USER)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Buy", "purchase"),
        ("orders", "purchase"),
        ("add_to_cart", "cart"),
        ("fav", "liked"),
        ("view", None),
        ("pv", None),
    ],
)
def test_kinds_of_events(value: str, kind: str | None) -> None:
    assert kind_of_event(value) == kind
