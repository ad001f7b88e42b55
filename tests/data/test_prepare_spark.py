"""Both engines prepare the same bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.data import shards
from shortlist.data.prepare import prepare
from shortlist.data.shards import read_batch
from shortlist.recipe import parse_recipe
from shortlist.tables.names import SOURCE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def _both(data: Path, recipe: str, target: Path, shards: str = "") -> tuple[Path, Path]:
    folders = []
    for engine in ("duckdb", "spark"):
        there = f'shards = "{shards}/{engine}"\n' if shards else ""
        text = f'{recipe}\n[compute]\nthreads = 2\nengine = "{engine}"\n{there}'
        prepare(parse_recipe(text, data_dir=data), target / engine / "prepared", now=1_800_000_000.0)
        folders.append(target / engine / "prepared")
    return folders[0], folders[1]


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of a shard, few enough for several shards."""
    for module in ("shards_of_users", "ShardWriter"):
        monkeypatch.setattr(f"shortlist.data.event_writing.{module}", partial(getattr(shards, module), rows=400))
    return 400


def _assert_equal(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    for path in files:
        if path.name != "manifest.json":
            assert _same(one / path, other / path), path
    manifests = [read_json(folder / "manifest.json") for folder in (one, other)]
    assert [manifest.pop("engine") for manifest in manifests] == ["duckdb", "spark"]
    for manifest in manifests:
        manifest.pop("seconds")
    assert manifests[0] == manifests[1]


def _same(one: Path, other: Path) -> bool:
    """Equal bytes; of a shard that was cut from a larger batch, what fills its buffers up may be another."""
    if one.read_bytes() == other.read_bytes():
        return True
    return one.name.startswith("events-") and bool(read_batch(one).equals(read_batch(other), check_metadata=True))


def test_movielens_100k(spark_session: Any, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = """
        name = "movielens"
        [data]
        interactions = "ratings.parquet"
        users = "users.parquet"
        items = "items.parquet"
        [schema]
        user_id = "user_id"
        item_id = "item_id"
        timestamp = "timestamp"
        title = "movie_title"
        targets.liked = "rating >= 4"
        targets.stars = "rating"
        [features.user]
        age = {kind = "numeric", transform = "bucketise"}
        gender = "categorical"
        occupation = "categorical"
        zip_code = "hashed"
    """
    _assert_equal(*_both(real_data("ml-100k"), recipe, tmp_path))


def test_untidy_tables(spark_session: Any, tmp_path: Path) -> None:
    """Every kind of feature, time and fault; several files, one of them with a name that an address would quote."""
    (tmp_path / "log").mkdir()
    header = "user,item,at,event,price,tags\n"
    lines = [
        f"{'' if n % 50 == 7 else f'u{n % 23}'},{n * 7 % 31},{_time(n)},{'buy' if n % 3 else 'view'},"
        f'{"" if n % 9 == 0 else n % 17 / 4},"x{n % 5}|y{n % 3}"\n'
        for n in range(600)
    ]
    (tmp_path / "log" / "part 2.csv").write_text(header + "".join(lines[300:]))
    (tmp_path / "log" / "part-1.csv").write_text(header + "".join(lines[:300]) + lines[0])
    items = {
        "item": [float(n) for n in range(31)] + [None],
        "price": [float("nan") if n == 3 else n / 3 for n in range(32)],
        "brand": [f"b{n % 4}" if n % 6 else None for n in range(32)],
        "code": pa.array([n % 5 for n in range(32)], pa.int16()),
        "tags": [["p", "q"] if n % 2 else [] for n in range(32)],
    }
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    recipe = """
        [data]
        interactions = "log"
        items = "items.parquet"
        [schema]
        user_id = "user"
        item_id = "item"
        timestamp = "at"
        event = "event"
        group = "tags"
        targets.bought = 'event == "buy"'
        [features.item]
        price = {kind = "numeric", transform = "log"}
        brand = "categorical"
        code = "categorical"
        tags = "multi_hot"
        [features.context]
        price = "numeric"
        tags = "multi_hot"
        when = {kind = "timestamp", column = "at"}
    """
    for kind in ("time", "leave_one_out", "random"):
        _assert_equal(*_both(tmp_path, f'{recipe}\n[split]\nkind = "{kind}"\n', tmp_path / kind))
    found = read_json(tmp_path / "time" / "spark" / "prepared" / "manifest.json")["audit"]["findings"]
    assert {finding["what"] for finding in found} >= {
        "rows without a user id",
        "rows whose time cannot be read",
        "rows with a time in the future",
        "rows that repeat another one exactly",
        "rows of items.parquet without an id",
        "numbers that are not finite in `price` of items.parquet",
    }


def test_targets_of_every_kind(spark_session: Any, tmp_path: Path) -> None:
    """Some of them missing, as null, as NaN, as empty text; classes of text, numbers and truth values."""
    rows = range(400)
    columns = {
        "device": [f"d{n % 7}" for n in rows],
        "click": [None if n % 11 == 0 else n % 3 == 0 for n in rows],
        "stars": [float("nan") if n % 4 == 0 else n % 17 / 3 for n in rows],
        "shelf": [("tea", "cup", "", None, "pot")[n % 5] for n in rows],
        "grade": [n % 6 / 2 for n in rows],
        "part": ["test" if n % 10 == 9 else "train" for n in rows],
    }
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    recipe = """
        [data]
        interactions = "log.parquet"
        [schema]
        targets.click = "click"
        targets.stars = {value = "stars / 5", kind = "regression"}
        targets.shelf = {value = "shelf", kind = "multiclass"}
        targets.grade = {value = "grade", kind = "multiclass"}
        targets.often = {value = "grade > 1", kind = "multiclass"}
        [features]
        context = {device = "categorical"}
        [split]
        kind = "column"
        column = "part"
        [ranking]
        negatives = {sampled = 0}
    """
    _assert_equal(*_both(tmp_path, recipe, tmp_path / "run"))


def _time(row: int) -> str:
    if row % 100 == 11:
        return "some day"
    if row % 100 == 13:
        return "2199-01-01"
    return f"2024-{1 + row % 12:02d}-{1 + row % 28:02d}T{row % 24:02d}:30:00{('Z', '+02:00', '')[row % 3]}"


def test_positions_do_not_depend_on_how_spark_cuts_files(spark_session: Any, tmp_path: Path) -> None:
    from shortlist.tables.spark import Spark

    for name, start in (("b b", 5_000), ("a", 0)):
        rows = 5_000 if start == 0 else 300
        table = pa.table({"x": range(start, start + rows)})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=500)
    with contextlib.closing(Spark("local[2]", 2, tmp_path / "scratch")) as engine:
        # Of the engine's own session, which takes over nothing that was set in another one.
        engine._session.conf.set("spark.sql.files.maxPartitionBytes", "4096")
        assert engine._session.read.parquet(str(tmp_path / "a.parquet")).rdd.getNumPartitions() > 3
        table = engine.read(str(tmp_path / "*.parquet"), position=True)
        found = engine.to_arrow(table.order_by(SOURCE))
        assert found[SOURCE].to_pylist() == found["x"].to_pylist() == list(range(5_300))
        batches = list(engine.batches(table.order_by("x"), rows=1_000))
        assert max(batch.num_rows for batch in batches) <= 1_000
        assert pa.Table.from_batches(batches)["x"].to_pylist() == list(range(5_300))


def test_no_row_vanishes_where_files_are_cut_otherwise_meanwhile(spark_session: Any, tmp_path: Path) -> None:
    """As they are where executors come or go between two looks at a file, and the size of its blocks follows them."""
    from shortlist.tables.spark import Spark

    pq.write_table(pa.table({"x": range(5_000)}), tmp_path / "a.parquet", row_group_size=500)
    with contextlib.closing(Spark("local[2]", 2, tmp_path / "scratch")) as engine:
        assert int(engine._session.conf.get("spark.sql.files.minPartitionNum")) >= 2
        table = engine.read(str(tmp_path / "a.parquet"), position=True)
        assert len(engine.to_arrow(table)) == 5_000

        engine._session.conf.set("spark.sql.files.maxPartitionBytes", "4096")
        with pytest.raises(DataError, match="not those that were there before: run the same command again"):
            engine.to_arrow(table)


def test_a_log_in_parts_of_text_without_headers(spark_session: Any, tmp_path: Path) -> None:
    for part, rows in (("train", 300), ("test", 40)):
        lines = [f"{row % 2}\t{row * 7 % 11}\t{'' if row % 5 == 0 else f'{row % 13:08x}z'}" for row in range(rows)]
        (tmp_path / f"{part}.txt").write_text("\n".join(lines) + "\n")
    recipe = """
        name = "parts"
        [data]
        interactions = {train = "train.txt", test = "test.txt"}
        columns = ["label", "count", "category"]
        [schema]
        targets.clicked = "label"
    """
    _assert_equal(*_both(tmp_path, recipe, tmp_path))


GENERATED = """
    [data]
    interactions = "log.parquet"
    [schema]
    user_id = "wer"
    item_id = "was"
    timestamp = "wann"
    event = "wie"
    targets.liked = "stars >= 4"
    targets.stars = {value = "stars", kind = "regression"}
    [features.context]
    place = "categorical"
    price = "numeric"
    note = "hashed"
"""


def _generate(folder: Path, rows: int = 3_000) -> None:
    """Half of the events are one user's, many of the same second; names of several scripts, and nulls everywhere."""
    rng = np.random.default_rng(0)
    names = ["Zoë", "Zoe\u0308", "Ирина", "美咲", "ß", "SS", "🫖", "a\u200bb", *(f"u{n}" for n in range(90))]
    user = np.where(rng.random(rows) < 0.5, 3, rng.zipf(1.3, rows) % len(names))
    columns = {
        "wer": [None if n % 97 == 5 else names[user[n]] for n in range(rows)],
        "was": [None if n % 89 == 3 else f"Tee №{n}" for n in rng.zipf(1.5, rows) % 300],
        "wann": pa.array(1_700_000_000 + rng.integers(0, 40, rows) * 3_600),
        "wie": [("sehen", "kaufen", None)[n] for n in rng.integers(0, 3, rows)],
        "stars": [None if n == 0 else float(n) for n in rng.integers(0, 6, rows)],
        "place": [(None, "", "Köln", "Kö\u0308ln", "東京")[n] for n in rng.integers(0, 5, rows)],
        "price": [(None, float("nan"), -0.0, 1e6, 2.5)[n] for n in rng.integers(0, 5, rows)],
        "note": [None if n % 7 == 0 else f"n{n % 50}" for n in range(rows)],
    }
    pq.write_table(pa.table(columns), folder / "log.parquet", row_group_size=500)


def test_a_generated_log_in_several_shards(spark_session: Any, small_shards: int, tmp_path: Path) -> None:
    _generate(tmp_path)

    one, other = _both(tmp_path, GENERATED, tmp_path / "run")

    _assert_equal(one, other)
    assert len(list(other.glob("events-*.arrow"))) > 3


def test_executors_upload_their_shards(spark_session: Any, small_shards: int, tmp_path: Path) -> None:
    _generate(tmp_path)
    there = tmp_path / "there"

    one, other = _both(tmp_path, GENERATED, tmp_path / "run", f"file://{there}")

    found = [read_json(folder / "manifest.json")["remote"]["shards"] for folder in (one, other)]
    assert len(found[1]) > 3
    for duckdb, spark in zip(*found, strict=True):
        assert duckdb["name"] == spark["name"]
        assert duckdb["facts"] == spark["facts"]
        assert _same(there / "duckdb" / duckdb["file"], there / "spark" / spark["file"])
    assert not list(other.glob("events-*.arrow"))


@pytest.mark.slow
def test_movielens_1m(
    spark_session: Any, real_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("shards_of_users", "ShardWriter"):
        monkeypatch.setattr(f"shortlist.data.event_writing.{module}", partial(getattr(shards, module), rows=200_000))
    recipe = """
        [data]
        interactions = "ratings.parquet"
        users = "users.parquet"
        items = "movies.parquet"
        [schema]
        user_id = "user_id"
        item_id = "movie_id"
        timestamp = "timestamp"
        title = "title"
        targets.liked = "rating >= 4"
        [features.user]
        gender = "categorical"
        occupation = "categorical"
        zip_code = "hashed"
        [features.item]
        genres = "multi_hot"
        year = "numeric"
    """
    one, other = _both(real_data("ml-1m"), recipe, tmp_path)

    _assert_equal(one, other)
    assert len(list(other.glob("events-*.arrow"))) == 5
