"""The benchmark of preparation: every way by hand gives what ours gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from benchmarks import encode_duckdb
from benchmarks.interactions import LABEL, NUMBERS, TEXTS, write_interactions
from benchmarks.peers import encode_pandas
from benchmarks.prepare import PEERS, goals_of
from benchmarks.prepare_ours import clicks_recipe, open_worker, whole_recipe
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared

ROWS = 3_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_interactions(tmp_path_factory.mktemp("log") / "log.parquet", ROWS)


def test_the_log_is_there_once_and_its_frequencies_fall(log: Path) -> None:
    before = log.stat().st_mtime_ns
    table = pq.read_table(write_interactions(log, ROWS))
    assert log.stat().st_mtime_ns == before
    assert table.num_rows == ROWS
    counts = np.sort(table["category"].value_counts().field("counts").to_numpy())
    assert len(counts) == 100
    # By Zipf's law the first of a hundred has log(2) / log(100) of the draws.
    assert 0.1 * ROWS < counts[-1] < 0.2 * ROWS


def _encoded(table: pa.Table, log: Path) -> None:
    source = pq.read_table(log)
    for name in TEXTS:
        ids_n, texts = table[name].to_numpy(), np.array(source[name].to_pylist())
        _, first, inverse, counts = np.unique(texts, return_index=True, return_inverse=True, return_counts=True)
        assert (ids_n[first][inverse] == ids_n).all()
        by_id = np.argsort(ids_n[first])
        assert ids_n[first][by_id].tolist() == list(range(1, len(first) + 1))
        assert (np.diff(counts[by_id]) <= 0).all()
    for name in NUMBERS:
        x_n = source[name].to_numpy().astype(np.float64)
        np.testing.assert_allclose(table[name].to_numpy(), (x_n - x_n.mean()) / x_n.std(), rtol=1e-5, atol=1e-6)
    assert table[LABEL].to_pylist() == source[LABEL].to_pylist()


def test_by_hand_ids_go_by_frequency_and_numbers_are_normalised(log: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "made")
    ways = encode_duckdb.ways()
    ways["parquet"](str(log), target)
    _encoded(plain := pq.read_table(target), log)
    ways["random"](str(log), target)
    _reordered(pq.read_table(target), plain)
    ways = encode_pandas.ways()
    for way in ("map", "factorize"):
        ways[way](str(log), target)
        _encoded(plain := feather.read_table(target), log)
        ways[f"{way}_random"](str(log), target)
        _reordered(feather.read_table(target), plain)


def _reordered(table: pa.Table, plain: pa.Table) -> None:
    assert not table.equals(plain)
    by_all = [(name, "ascending") for name in plain.column_names]
    assert table.sort_by(by_all).equals(plain.sort_by(by_all))


def test_ours_is_the_whole_of_prepare(log: Path, tmp_path: Path) -> None:
    prepare(clicks_recipe(log), tmp_path / "clicks", now=1_800_000_000.0)
    clicks = Prepared.open(tmp_path / "clicks")
    assert (len(clicks.schema.columns), clicks.schema.has_users, clicks.schema.has_time) == (5, False, False)
    prepare(whole_recipe(log, 1), tmp_path / "whole", now=1_800_000_000.0)
    whole = Prepared.open(tmp_path / "whole")
    assert (whole.schema.has_users, whole.schema.has_items, whole.schema.has_time) == (True, True, True)
    worker = open_worker({"log": str(log), "folder": str(tmp_path / "made"), "rows": ROWS})
    found = worker["encode"]()
    assert found["rows"] == ROWS
    assert found["cpu_s"] > 0
    assert found["bytes"] > ROWS * 4 * 6
    assert not list((tmp_path / "made").iterdir())


def test_goals_are_judged_beside_the_faster_way_of_each_library() -> None:
    whole = {"wall_s": 24.0, "peak": 3.0 * 2**30}
    rates = dict(zip(PEERS, range(1, 1 + len(PEERS)), strict=True))
    assert [name for name, peer in PEERS.items() if not peer.ordered] == list(PEERS)[:5]
    assert goals_of(whole, {"ours": 10.0, **rates}) == {
        "seconds by the clock of the whole": (25.0, 24.0, True),
        "GiB at the peak of the whole": (4.0, 3.0, True),
        "times DuckDB by hand": (1.0, 10.0, True),
        "times Polars by hand": (1.0, 3.333, True),
        "times pandas by hand": (5.0, 2.0, False),
    }
