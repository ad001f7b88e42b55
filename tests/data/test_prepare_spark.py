"""Both engines prepare the same bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.data.prepare import prepare
from shortlist.recipe import parse_recipe
from shortlist.tables.names import SOURCE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def spark_session() -> Iterator[Any]:
    """One Spark application for all tests: preparation takes a running one."""
    pyspark = pytest.importorskip("pyspark.sql", reason="PySpark is not installed: pip install 'shortlist[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java 17, and there is no java on the path")
    session = pyspark.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


def _both(data: Path, recipe: str, target: Path) -> tuple[Path, Path]:
    folders = []
    for engine in ("duckdb", "spark"):
        text = f'{recipe}\n[compute]\nthreads = 2\nengine = "{engine}"\n'
        prepare(parse_recipe(text, data_dir=data), target / engine / "prepared", now=1_800_000_000.0)
        folders.append(target / engine / "prepared")
    return folders[0], folders[1]


def _assert_equal(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    for path in files:
        if path.name != "manifest.json":
            assert (one / path).read_bytes() == (other / path).read_bytes(), path
    manifests = [read_json(folder / "manifest.json") for folder in (one, other)]
    assert [manifest.pop("engine") for manifest in manifests] == ["duckdb", "spark"]
    for manifest in manifests:
        manifest.pop("seconds")
    assert manifests[0] == manifests[1]


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
    spark_session.conf.set("spark.sql.files.maxPartitionBytes", "4096")
    with contextlib.closing(Spark("local[2]", 2, tmp_path / "scratch")) as engine:
        table = engine.read(str(tmp_path / "*.parquet"), position=True)
        found = engine.to_arrow(table.order_by(SOURCE))
        assert found[SOURCE].to_pylist() == found["x"].to_pylist() == list(range(5_300))
        batches = list(engine.batches(table.order_by("x"), rows=1_000))
        assert max(batch.num_rows for batch in batches) <= 1_000
        assert pa.Table.from_batches(batches)["x"].to_pylist() == list(range(5_300))


def test_what_spark_cannot_read_is_told_in_a_line(spark_session: Any, tmp_path: Path) -> None:
    from shortlist.tables.spark import Spark

    (tmp_path / "a.jsonl").write_text('{"user": 1}\nnot json\n')
    with contextlib.closing(Spark("local[2]", 2, tmp_path / "scratch")) as engine:
        with pytest.raises(DataError, match=r"cannot read .*a\.jsonl: .*Malformed records") as raised:
            engine.to_arrow(engine.read(str(tmp_path / "a.jsonl")))
        assert len(str(raised.value).splitlines()) == 1


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
