"""`demo`: the made-up shop for real, at a size that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Shortlist

SMALL = ["--users", "120", "--items", "40", "--set", "retrieval.epochs=1", "--set", "ranking.epochs=1"]
FEW_THREADS = ["--set", "compute.threads=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "shop"


def test_the_demo_and_then_again(folder: Path, shortlist: Shortlist) -> None:
    first = shortlist("demo", "--folder", folder, *SMALL, *FEW_THREADS)
    again = shortlist("demo", "--folder", folder, *SMALL, *FEW_THREADS)

    assert first.code == again.code == 0
    assert "a shop with 120 users and 40 items" in first.err
    assert "where truth was lost" in first.err
    assert "met lately, the last first" in first.out
    assert "recommended" in first.out
    assert f"shortlist serve {folder}/runs/shop/bundle" in first.out
    assert again.err.count("done before") == 6
    assert again.out == first.out


def test_other_sizes_make_another_shop(folder: Path, shortlist: Shortlist) -> None:
    nobody = shortlist("demo", "--folder", folder, "--users", "0")
    fewer = shortlist("demo", "--folder", folder, "--users", "90", "--items", "40", "--set", "ranking.epoch=1")

    assert (nobody.code, fewer.code) == (2, 2)
    assert "users = 0: expected 1 to" in nobody.err
    assert "a shop with 90 users" in fewer.err
    assert "ranking.epoch: no such setting" in fewer.err
    assert pq.read_metadata(folder / "data" / "users.parquet").num_rows == 90


def test_a_changed_recipe_is_kept_and_used(tmp_path: Path, shortlist: Shortlist) -> None:
    wrong = ["demo", "--folder", tmp_path / "shop", *SMALL, "--set", "ranking.epoch=1"]
    shortlist(*wrong)
    recipe = tmp_path / "shop" / "shop.toml"
    recipe.write_text(recipe.read_text().replace("[data]", "seed = 5\n[data]"))

    said = shortlist(*wrong)

    assert said.code == 2
    assert "is used as it is" in said.err
    assert "seed = 5" in recipe.read_text()
