"""What counts as the same prepared folder."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.engines import compared


def write(path: Path, values: pa.Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"item": values})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(("other", "differing"), [([1, 2], 0), ([1, 3], 1), ([1], 1), (None, 1)])
def test_rows_count_and_not_what_lies_behind_them(tmp_path: Path, other: list[int] | None, differing: int) -> None:
    # A slice keeps the buffer that it was cut from: the same rows, and other bytes behind them.
    write(tmp_path / "a" / "events.arrow", pa.array([1, 2, 7], pa.int32()).slice(0, 2))
    write(tmp_path / "a" / "users" / "ids.arrow", pa.array([5], pa.int32()))
    write(tmp_path / "b" / "users" / "ids.arrow", pa.array([5], pa.int32()))
    if other is not None:
        write(tmp_path / "b" / "events.arrow", pa.array(other, pa.int32()))

    assert compared(tmp_path / "a", tmp_path / "b") == (2, differing)
