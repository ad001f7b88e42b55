"""`similar`: on the screen and as JSON, and one line for an item that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shortlist.bundle.recommender import Recommender
from tests.cli.conftest import Shortlist


@pytest.fixture
def bundle(done_shop: Path) -> Path:
    return done_shop / "runs" / "films" / "bundle"


def test_shows_the_items_like_each(bundle: Path, shortlist: Shortlist) -> None:
    said = shortlist("similar", bundle, 101, 104, "-k", 3)
    expected = Recommender.load(bundle).similar([101, 104], 3)

    lines = said.out.splitlines()
    assert said.code == 0
    assert [lines[0], lines[4]] == ["like 101  Film 101", "like 104  Film 104"]
    assert [line.split()[2] for line in lines[1:4]] == [str(item.item_id) for item in expected[0]]


def test_says_it_as_json(bundle: Path, shortlist: Shortlist) -> None:
    said = shortlist("similar", bundle, 101, "--k", 2, "--json")
    (expected,) = Recommender.load(bundle).similar([101], 2)

    assert json.loads(said.out) == [
        {"like": 101, "items": [{"item_id": i.item_id, "score": i.score, "title": i.title} for i in expected]}
    ]


@pytest.mark.parametrize(("item", "why"), [("999", "not known to this bundle: 999"), ("x", "items of this bundle are")])
def test_an_item_that_is_not_there_is_one_line(item: str, why: str, bundle: Path, shortlist: Shortlist) -> None:
    said = shortlist("similar", bundle, item)

    assert said.code == 5
    assert why in said.err
    assert "Traceback" not in said.err
