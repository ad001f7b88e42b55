"""Tables that the Spark session knows by name are prepared as their files would be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.core.progress import Silent
from shortlist.data.prepare import prepare
from shortlist.models.catalogue import check_models
from shortlist.pipeline import run_stages
from shortlist.recipe import parse_recipe
from shortlist.tables.names import SOURCE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

RECIPE = """
    [data]
    interactions = "{log}"
    items = "{items}"
    [schema]
    user_id = "user"
    item_id = "item"
    timestamp = "at"
    targets.liked = "stars >= 4"
    [features.item]
    brand = "categorical"
    [features.context]
    note = "hashed"
    [retrieval]
    model = {{name = "item_knn", neighbours = 5}}
    [compute]
    threads = 1
    engine = "{engine}"
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A log in three files, most of its events of the same few seconds, and a table of items."""
    (tmp_path / "log").mkdir()
    for part in range(3):
        rows = range(part * 200, part * 200 + 200)
        columns = {
            "user": [f"u{n % 23}" for n in rows],
            "item": [n * 7 % 31 for n in rows],
            "at": [1_700_000_000 + n % 3 for n in rows],
            "stars": [n % 6 for n in rows],
            "note": [None if n % 9 == 0 else f"n{n}" for n in rows],
        }
        pq.write_table(pa.table(columns), tmp_path / "log" / f"part-{part}.parquet", row_group_size=50)
    (tmp_path / "items").mkdir()
    items = pa.table({"item": range(31), "brand": [f"b{n % 4}" for n in range(31)]})
    pq.write_table(items, tmp_path / "items" / "part-0.parquet")
    return tmp_path


@pytest.fixture
def catalogue(spark_session: Any, files: Path) -> Iterator[Any]:
    """A session whose catalogue has both in the database `shop`."""
    spark_session.sql(f"CREATE DATABASE shop LOCATION 'file:{files}/shop'")
    for name in ("log", "items"):
        spark_session.sql(f"CREATE TABLE shop.{name} USING parquet LOCATION 'file:{files}/{name}'")
    yield spark_session
    spark_session.sql("DROP DATABASE shop CASCADE")


def prepared(folder: Path, target: Path, engine: str, log: str, items: str) -> Path:
    recipe = parse_recipe(RECIPE.format(engine=engine, log=log, items=items), "shop.toml", data_dir=folder)
    prepare(recipe, target, now=1_800_000_000.0)
    return target


def assert_equal(one: Path, other: Path) -> None:
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    for name in names:
        assert name == "manifest.json" or (one / name).read_bytes() == (other / name).read_bytes(), name
    manifests = [read_json(folder / "manifest.json") for folder in (one, other)]
    assert manifests[0]["rows"] == manifests[1]["rows"]
    assert sum(manifests[0]["rows"].values()) > 300


@pytest.mark.parametrize("log", ["table:shop.log", "table:parquet.`{files}/log`"])
def test_a_table_of_the_catalogue_or_of_a_format(catalogue: Any, files: Path, tmp_path: Path, log: str) -> None:
    here = prepared(files, tmp_path / "here", "duckdb", "log", "items")
    there = prepared(files, tmp_path / "there", "spark", log.format(files=files), "table:shop.items")

    assert_equal(here, there)


def test_a_view_that_comes_from_no_files_has_positions_too(catalogue: Any, tmp_path: Path) -> None:
    from shortlist.tables.spark import Spark

    catalogue.sql("CREATE VIEW shop.range AS SELECT id AS x FROM range(0, 5000, 1, 7)")
    with contextlib.closing(Spark("local[2]", 2, tmp_path / "scratch")) as engine:
        found = engine.to_arrow(engine.read("table:shop.range", position=True))
        again = engine.to_arrow(engine.read("table:shop.range"))

    assert sorted(found[SOURCE].to_pylist()) == sorted(found["x"].to_pylist()) == list(range(5_000))
    assert again.column_names == ["x"]


def test_a_table_that_is_not_there_is_told_in_a_line(spark_session: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read shop\.absent: \[TABLE_OR_VIEW_NOT_FOUND\]") as raised:
        prepared(tmp_path, tmp_path / "run", "spark", "table:shop.absent", "table:shop.items")
    assert len(str(raised.value).splitlines()) == 1


def test_what_is_written_to_a_table_is_seen_with_force_alone(catalogue: Any, files: Path, tmp_path: Path) -> None:
    text = RECIPE.format(engine="spark", log="table:shop.log", items="table:shop.items")
    recipe = parse_recipe(text, "shop.toml", check=check_models)
    said: list[str] = []

    class Heard(Silent):
        def say(self, stage: str, message: str) -> None:
            said.append(message)

    first = run_stages(recipe, tmp_path / "run", Silent(), "prepare")
    events = sum(read_json(first.folder / "prepared" / "manifest.json")["rows"].values())
    (files / "log" / "part-2.parquet").unlink()
    catalogue.sql("REFRESH TABLE shop.log")
    run_stages(recipe, tmp_path / "run", Heard(), "prepare")
    forced = run_stages(recipe, tmp_path / "run", Silent(), "prepare", force=True)

    assert said == ["done before; --force reads shop.log, shop.items again, whose changes are not seen from here"]
    assert sum(read_json(forced.folder / "prepared" / "manifest.json")["rows"].values()) < events
