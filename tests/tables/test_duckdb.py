"""The DuckDB engine: what it reads, streams and refuses."""

from __future__ import annotations

import gzip
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.recipe.sections import Compute
from shortlist.tables.duckdb import DuckDB
from shortlist.tables.engine import open_engine
from shortlist.tables.names import SOURCE

ROWS = [{"user": 1, "name": "a", "x": 0.5}, {"user": 2, "name": None, "x": None}]


def test_every_format_gives_the_same_table(engine: DuckDB, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("user,name,x\n1,a,0.5\n2,,\n")
    with gzip.open(tmp_path / "a.tsv.gz", "wt") as file:
        file.write("user\tname\tx\n1\ta\t0.5\n2\t\t\n")
    (tmp_path / "a.jsonl").write_text('{"user": 1, "name": "a", "x": 0.5}\n{"user": 2}\n')
    for name in ("a.parquet", "a.csv", "a.tsv.gz", "a.jsonl"):
        table = engine.read(str(tmp_path / name))
        assert engine.to_arrow(table).to_pylist() == ROWS, name


def test_text_without_a_header_gets_its_names(engine: DuckDB, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0\t1\t\t68fd1e64\n1\t\t-5\t\n")
    table = engine.read(str(tmp_path / "train.txt"), columns=["label", "I1", "I2", "C1"])
    assert engine.to_arrow(table).to_pylist() == [
        {"label": 0, "I1": 1, "I2": None, "C1": "68fd1e64"},
        {"label": 1, "I1": None, "I2": -5, "C1": None},
    ]


def test_a_line_of_another_length_is_told(engine: DuckDB, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0\t1\n" * 50 + "0\t1\t2\n")
    with pytest.raises(DataError, match=r"cannot read .*train\.txt"):
        engine.read(str(tmp_path / "train.txt"), columns=["label", "I1"])


def test_positions_follow_the_files(engine: DuckDB, tmp_path: Path) -> None:
    for name, values in (("b", [3, 4]), ("a", [1, 2])):
        pq.write_table(pa.table({"x": values}), tmp_path / f"{name}.parquet")
    table = engine.read(str(tmp_path), position=True)
    assert engine.to_arrow(table.order_by(SOURCE)).to_pydict() == {SOURCE: [0, 1, 2, 3], "x": [1, 2, 3, 4]}


def test_a_type_that_changes_far_below_is_found(engine: DuckDB, tmp_path: Path) -> None:
    lines = [str(number) for number in range(30_000)]
    (tmp_path / "a.csv").write_text("\n".join(["id", *lines, "x17"]) + "\n")
    table = engine.read(str(tmp_path / "a.csv"))
    assert table["id"].type().is_string()
    last = engine.to_arrow(table.filter(table["id"] == "x17"))
    assert last.num_rows == 1


def test_quotes_commas_and_line_ends_inside_values(engine: DuckDB, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,title\n1,"Silence, ""The""\nuncut"\n2,Up\n')
    found = engine.to_arrow(engine.read(str(tmp_path / "a.csv")))
    assert found["title"].to_pylist() == ['Silence, "The"\nuncut', "Up"]


def test_json_that_is_none_is_named(engine: DuckDB, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"user": 1}\nnot json\n')
    with pytest.raises(DataError, match=r"cannot read .*a\.jsonl"):
        engine.read(str(tmp_path / "a.jsonl"))


def test_parquet_with_a_broken_page_is_named(engine: DuckDB, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": list(range(10_000))}), path)
    broken = bytearray(path.read_bytes())
    broken[4:4000] = b"\xff" * 3996
    path.write_bytes(bytes(broken))
    with pytest.raises(DataError, match=r"cannot read a\.parquet: .* The file may be damaged"):
        engine.to_arrow(engine.read(str(path)))


def test_results_have_the_types_that_ibis_says(engine: DuckDB) -> None:
    table = engine.table("numbers", pa.table({"x": [1, 2]}))
    summed = engine.to_arrow(table.aggregate(total=table["x"].sum()))
    assert summed.schema.field("total").type == pa.int64()


def test_batches_keep_the_order_and_their_size(engine: DuckDB) -> None:
    table = engine.table("numbers", pa.table({"x": list(range(10_000))}))
    batches = list(engine.batches(table.order_by(ibis.desc("x")), rows=4096))
    assert max(batch.num_rows for batch in batches) <= 4096
    assert pa.Table.from_batches(batches)["x"].to_pylist() == list(range(9_999, -1, -1))


def test_a_cached_table_is_computed_once(engine: DuckDB) -> None:
    table = engine.table("numbers", pa.table({"x": [1, 2, 3]}))
    cached = engine.cache("drawn", table.mutate(r=ibis.random()))
    assert engine.to_arrow(cached).equals(engine.to_arrow(cached))


def test_the_engine_leaves_no_files_behind(tmp_path: Path) -> None:
    with open_engine(Compute(threads=1), tmp_path / "runs") as engine:
        assert engine.name == "duckdb"
        assert len(list((tmp_path / "runs").iterdir())) == 1
    assert list((tmp_path / "runs").iterdir()) == []


def test_nan_in_parquet_is_seen(engine: DuckDB, tmp_path: Path) -> None:
    """The file's statistics say 1 to 3, for NaN has no place in an order."""
    pq.write_table(pa.table({"x": [1.0, float("nan"), 3.0]}), tmp_path / "a.parquet")
    table = engine.read(str(tmp_path / "a.parquet"))
    assert engine.to_arrow(table.filter(table["x"].isnan())).num_rows == 1


def test_json_values_of_mixed_types_are_text(engine: DuckDB, tmp_path: Path) -> None:
    lines = '{"user": 1, "a.b": 5}\n{"user": "x \\"y\\""}\n{"user": null}\n{"user": 2.5}\n'
    (tmp_path / "a.jsonl").write_text(lines)
    found = engine.to_arrow(engine.read(str(tmp_path / "a.jsonl")))
    assert found["user"].to_pylist() == ["1", 'x "y"', None, "2.5"]
    assert found["a.b"].to_pylist() == [5, None, None, None]
