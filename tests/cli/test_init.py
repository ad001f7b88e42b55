"""`init`: a recipe that is written, reads back, and runs; on made tables and on the real data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.models.catalogue import check_models
from shortlist.recipe import Recipe, load_recipe
from shortlist.recipe.targets import TargetSetting
from tests.cli.conftest import Shortlist

TABLES = ("ratings.parquet", "people.parquet", "films.parquet")


def test_it_says_what_it_inferred_and_writes_a_recipe_beside(
    shop: Path, shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    said = shortlist("init", *TABLES)

    assert said.code == 0
    assert said.out == ""
    assert "1,500 rows  the log" in said.err
    assert "user_id -> user (60)" in said.err
    assert "film_id -> item (40)" in said.err
    assert "target `liked` = rating >= 4" in said.err
    assert 'genres -> multi_hot: parted by "|"' in said.err
    assert "shortlist run\n" in said.err
    recipe = load_recipe("shortlist.toml", check=check_models)
    assert recipe.data.interactions.table == str(shop / "ratings.parquet")
    assert 'interactions = "ratings.parquet"' in (shop / "shortlist.toml").read_text()


def test_json_is_alone_on_standard_output(shop: Path, shortlist: Shortlist) -> None:
    output = shop / "new.toml"
    said = shortlist("init", *(shop / name for name in TABLES), "--output", output, "--json")

    result = json.loads(said.out)
    assert [finding["table"] for finding in result["findings"]] == list(TABLES)
    assert result["findings"][0]["rows"] == 1_500
    assert result["next"] == f"shortlist run {output}"


def test_a_recipe_that_is_there_is_kept(shop: Path, shortlist: Shortlist) -> None:
    words = ["init", shop / "ratings.parquet", "--output", shop / "films.toml"]
    before = (shop / "films.toml").read_text()
    refused = shortlist(*words)

    assert refused.code == 2
    assert "is already there. Replace it with --force" in refused.err
    assert (shop / "films.toml").read_text() == before

    assert shortlist(*words, "--force", "--quiet") == (0, "", "")
    assert (shop / "films.toml").read_text() != before


def test_tables_that_are_not_there_or_say_nothing(tmp_path: Path, shortlist: Shortlist) -> None:
    pq.write_table(pa.table({"x": [1, 2], "y": [3, 4]}), tmp_path / "numbers.parquet")
    output = tmp_path / "r.toml"

    missing = shortlist("init", tmp_path / "number.parquet", "--output", output)
    strange = shortlist("init", tmp_path / "numbers.parquet", "--output", output)

    assert (missing.code, strange.code) == (3, 3)
    assert "Did you mean `numbers.parquet`?" in missing.err
    assert "--user-id COLUMN --item-id COLUMN" in strange.err
    assert not output.exists()


def test_a_click_log_is_proposed_and_runs(tmp_path: Path, shortlist: Shortlist) -> None:
    rng = np.random.default_rng(0)
    ad = rng.integers(0, 12, 1_200)
    columns = {"click": (rng.random(1_200) < 0.1 + 0.05 * ad).astype(int), "ad": [f"a{i}" for i in ad]}
    pq.write_table(pa.table(columns), tmp_path / "clicks.parquet")
    recipe = tmp_path / "clicks.toml"

    assert shortlist("init", tmp_path / "clicks.parquet", "--output", recipe).code == 0
    said = shortlist(
        *("run", recipe, "--runs", tmp_path / "runs", "--json", "--set", "ranking.epochs=2"),
        *("--set", "compute.threads=1", "--set", "ranking.model.hidden=[8]", "--set", "ranking.batch_size=128"),
    )

    assert said.code == 0
    stages = json.loads(said.out)["metrics"]["stages"]
    assert list(stages) == ["ranking"]
    assert stages["ranking"]["auc"]["value"] > 0.55


Proposed = Callable[..., Recipe]


@pytest.fixture
def proposed(real_data: Callable[[str], Path], tmp_path: Path, shortlist: Shortlist) -> Proposed:
    """The recipe that `init` writes for tables of a real data set."""

    def call(name: str, *tables: str) -> Recipe:
        folder = real_data(name)
        output = tmp_path / "r.toml"
        said = shortlist("init", *(folder / f"{table}.parquet" for table in tables), "--output", output)
        assert said.code == 0, said.err
        return load_recipe(output, check=check_models)

    return call


def test_movielens_100k(proposed: Proposed) -> None:
    recipe = proposed("ml-100k", "items", "ratings", "users")

    schema = recipe.schema_
    assert Path(recipe.data.interactions.sources[0]).name == "ratings.parquet"
    assert (schema.user_id, schema.item_id, schema.timestamp, schema.title) == (
        "user_id",
        "item_id",
        "timestamp",
        "movie_title",
    )
    assert schema.targets == {"liked": TargetSetting(value="rating >= 4")}
    assert recipe.split.kind == "time"
    assert recipe.features.user is not None
    assert recipe.features.item is not None
    assert {name: feature.kind for name, feature in recipe.features.user.items()} == {
        "age": "numeric",
        "gender": "categorical",
        "occupation": "categorical",
        "zip_code": "hashed",
    }
    assert recipe.features.item["genres"].kind == "multi_hot"


@pytest.mark.slow
def test_movielens_1m_without_what_was_written_down_afterwards(proposed: Proposed) -> None:
    recipe = proposed("ml-1m", "ratings", "movies", "users")

    assert recipe.schema_.item_id == "movie_id"
    assert recipe.schema_.targets == {"liked": TargetSetting(value="rating >= 4")}
    # `timestamp_exact` is false for low ratings alone: a feature of it would give the answer away.
    assert list(recipe.features.context or {}) == ["time"]


def test_criteo_is_a_click_log_without_ids(proposed: Proposed) -> None:
    recipe = proposed("ctr-samples", "criteo")

    assert (recipe.schema_.user_id, recipe.schema_.item_id, recipe.retrieval) == (None, None, None)
    assert recipe.schema_.targets == {"label": TargetSetting(value="label")}
    assert (recipe.split.kind, recipe.split.column) == ("column", "split")
    context = recipe.features.context or {}
    assert len(context) == 39
    assert context["C9"].kind == "categorical"
    assert context["C3"].kind == "hashed"


def test_frappe_keeps_the_context_and_drops_the_count(proposed: Proposed) -> None:
    recipe = proposed("frappe", "log", "apps")

    assert (recipe.schema_.user_id, recipe.schema_.item_id, recipe.schema_.targets) == ("user", "item", {})
    assert recipe.split.kind == "random"
    assert {"daytime", "weather", "city"} <= set(recipe.features.context or {})
    assert "cnt" not in (recipe.features.context or {})
    assert recipe.schema_.title == "name"


def test_taobao_views_are_pairs_alone(proposed: Proposed) -> None:
    recipe = proposed("taobao-behaviours", "view", "buy")

    assert Path(recipe.data.interactions.sources[0]).name == "view.parquet"
    assert recipe.features.context == {}
    assert recipe.retrieval is not None
    assert recipe.split.kind == "random"
