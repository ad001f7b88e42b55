"""What processes wrote of a sharded table: missing parts are found, and all of it becomes one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shortlist.core.errors import EnvironmentFault
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.mapped import tables_mapped_in
from shortlist.nn.ranks import RankLost
from shortlist.nn.sharded import tables_sharded
from shortlist.schema import Column, Kind, Side
from shortlist.training.sharding.collection import Cell
from shortlist.training.sharding.files import ShardedTables
from shortlist.training.sharding.package import torchrec

COLUMN = Column(name="item.id", side=Side.ITEM, kind=Kind.FIELD, size=7, offset=0)
WHOLE = np.arange(7 * 6, dtype=np.float32).reshape(7, 6)


def write(folder: Path, rows: range, column: int, columns: int) -> Path:
    """A part of the table as a process leaves it; the sum of row 3 is 300."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"0.{rows.start}.{rows.step}.{len(rows)}.{column}.{columns}.weight.f32"
    WHOLE[rows, column : column + columns].tofile(path)
    (100 * np.array(rows, np.float32)).tofile(path.with_name(path.name.replace("weight", "sum")))
    return path


def tables_in(folder: Path) -> ShardedTables:
    with tables_sharded("row_wise"):
        model = StackedEmbedding([COLUMN], 6)
    tables = ShardedTables.of(model, folder)
    assert tables is not None
    assert sum(parameter.numel() for parameter in model.parameters()) == 0
    return tables


def test_a_table_is_found_whole_or_not(tmp_path: Path) -> None:
    tables, place = tables_in(tmp_path), tmp_path / "000004"
    write(place, range(4), 0, 6)
    with pytest.raises(ValueError, match="of table 0 24 of 42 numbers are there"):
        tables.check(4)
    last = write(place, range(4, 7), 0, 6)
    tables.check(4)

    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(ValueError, match="24 of 42"):
        tables.check(4)


def held_here(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let this process have so many rows of a table."""
    cell = Cell(range(rows), 0, 6, torch.ones(rows, 6), torch.zeros(rows))
    monkeypatch.setattr("shortlist.training.sharding.files._cells", lambda table: [cell])


def test_nothing_is_kept_of_what_the_disk_was_full_for(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tables_in(small_disk / "tables")
    held_here(monkeypatch, 7)
    tables.start(1, None)
    held_here(monkeypatch, 10_000)
    with pytest.raises(EnvironmentFault, match=r"the disk is full: writing .*000002 failed"):
        tables.start(2, None)

    assert [path.name for path in (small_disk / "tables").iterdir()] == ["000001"]
    tables.check(1)


def test_nothing_is_kept_where_another_process_could_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = tables_in(tmp_path)
    held_here(monkeypatch, 7)
    monkeypatch.setattr("shortlist.training.sharding.files.added", lambda mine: mine + 1)
    with pytest.raises(RankLost, match="could not write its part"):
        tables.start(1, None)

    assert list(tmp_path.iterdir()) == []


def test_older_ones_are_dropped_but_for_the_best(tmp_path: Path) -> None:
    tables = tables_in(tmp_path)
    for number in (1, 2, 3, 4):
        write(tmp_path / f"{number:06d}", range(7), 0, 6)
    tables.forget(3, 1)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001", "000003", "000004"]


@pytest.mark.parametrize(
    "parts",
    [
        [(range(4), 0, 6), (range(4, 7), 0, 6)],
        [(range(0, 7, 3), 0, 6), (range(1, 7, 3), 0, 6), (range(2, 7, 3), 0, 6)],
        [(range(7), 0, 4), (range(7), 4, 2)],
    ],
)
def test_rows_and_columns_become_one_file_that_a_model_reads(
    parts: list[tuple[range, int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tables_in(tmp_path / "checkpoints")
    for part in parts:
        write(tmp_path / "checkpoints" / "000002", *part)
    monkeypatch.setattr("shortlist.training.sharding.files._cells", lambda table: [])
    monkeypatch.setattr("shortlist.training.sharding.files._BLOCK", 2)
    tables.roll_back(2)
    tables.keep(tmp_path / "kept")
    with tables_mapped_in(tmp_path / "kept", trained=True):
        model = StackedEmbedding([COLUMN], 6)

    assert torch.equal(model(torch.arange(7)[:, None], [COLUMN])[:, 0], torch.from_numpy(WHOLE))


@pytest.mark.parametrize("before", [1, 2, 3])
@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_rows_dealt_out_to_some_are_read_by_more_or_fewer(
    before: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tables_in(tmp_path)
    for process in range(before):
        write(tmp_path / "000002", range(process, 7, before), 0, 6)
    monkeypatch.setattr("shortlist.training.sharding.files._BLOCK", 2)
    for process in range(after):
        rows = range(process, 7, after)
        cell = Cell(rows, 0, 6, torch.full((len(rows), 8), -1.0), torch.full((len(rows),), -1.0))
        monkeypatch.setattr("shortlist.training.sharding.files._cells", lambda table, cell=cell: [cell])
        tables.go_on(2, None)

        assert torch.equal(cell.weight_hw[:, :6], torch.from_numpy(WHOLE[rows]))
        assert cell.weight_hw[:, 6:].eq(-1).all()
        assert cell.sum_h.tolist() == [100 * row for row in rows]


def test_a_package_that_is_missing_is_named_with_the_way_to_it() -> None:
    said = (
        r"needs the package 'no_such_torchrec', .* Install it with: pip install --no-deps torchrec==.* fbgemm-gpu-cpu=="
    )
    with pytest.raises(EnvironmentFault, match=said):
        torchrec("no_such_torchrec")
