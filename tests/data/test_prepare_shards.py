"""Shards hold whole users, are of even size, and read back without a copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data.shards import ShardWriter, shards_of_users
from shortlist.features.rows import matrix_from_arrow, matrix_to_arrow


def _write(folder: Path, users: list[int], rows: int, batch: int) -> list[list[int]]:
    """Write events of these users, `batch` rows at a time, and read the users of each shard back."""
    writer = ShardWriter(folder, total=len(users), rows=rows)
    for start in range(0, len(users), batch):
        user = pa.array(users[start : start + batch], pa.int32())
        writer.add(pa.record_batch({"user": user, "targets": matrix_to_arrow(np.zeros((len(user), 0), np.float32))}))
    writer.close()
    assert writer.names == [f"events-{n:05d}.arrow" for n in range(len(writer.names))]
    shards = []
    for name in writer.names:
        with pa.ipc.open_file(folder / name) as reader:
            assert reader.num_record_batches == 1
            shards.append(reader.get_batch(0).column("user").to_pylist())
    return shards


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 100])
def test_a_user_is_never_parted(tmp_path: Path, batch: int) -> None:
    users = [1, 1, 2, 2, 2, 3, 4, 4, 5, 6]
    assert _write(tmp_path, users, rows=4, batch=batch) == [[1, 1, 2, 2, 2], [3, 4, 4, 5, 6]]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_user_larger_than_a_shard_makes_a_larger_one(tmp_path: Path, batch: int) -> None:
    assert _write(tmp_path, [1, 2, 2, 2, 2, 2, 3, 4], rows=3, batch=batch) == [[1, 2, 2, 2, 2, 2], [3, 4]]


@given(events=st.lists(st.integers(0, 9), min_size=1, max_size=40), rows=st.integers(1, 30))
def test_the_shard_of_each_user_is_known_beforehand(
    tmp_path_factory: pytest.TempPathFactory, events: list[int], rows: int
) -> None:
    users = np.repeat(np.arange(1, len(events) + 1), events).tolist()
    shard_U = shards_of_users(np.array(events), rows)

    written = _write(tmp_path_factory.mktemp("shards"), users, rows, batch=7)

    assert [sorted({shard_U[user - 1] for user in shard}) for shard in written] == [[n] for n in range(len(written))]


def test_users_without_events_open_no_shard() -> None:
    assert shards_of_users(np.array([4, 5, 0, 0]), rows=4).tolist() == [0, 0, 0, 0]
    assert shards_of_users(np.array([5, 5, 0]), rows=4).tolist() == [0, 1, 1]
    assert shards_of_users(np.array([0, 0]), rows=4).tolist() == [0, 0]


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_a_log_without_users_is_cut_evenly(tmp_path: Path, batch: int) -> None:
    assert [len(shard) for shard in _write(tmp_path, [0] * 11, rows=4, batch=batch)] == [4, 4, 3]


def test_a_few_rows_too_many_make_no_shard_of_their_own(tmp_path: Path) -> None:
    assert _write(tmp_path, [1, 1, 1, 1, 2], rows=4, batch=2) == [[1, 1, 1, 1, 2]]


@pytest.mark.parametrize("width", [0, 1, 3])
def test_matrices_come_back_as_they_went(width: int) -> None:
    matrix = np.arange(4 * width, dtype=np.float32).reshape(4, width)
    assert np.array_equal(matrix_from_arrow(matrix_to_arrow(matrix)), matrix)
    assert np.array_equal(matrix_from_arrow(matrix_to_arrow(matrix)[1:3]), matrix[1:3])


def test_shards_are_read_in_place(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, total=3)
    writer.add(pa.record_batch({"user": pa.array([1, 1, 2], pa.int32())}))
    writer.close()
    before = pa.total_allocated_bytes()
    with pa.memory_map(str(tmp_path / "events-00000.arrow")) as file:
        user = pa.ipc.open_file(file).get_batch(0).column("user").to_numpy(zero_copy_only=True)
        assert user.tolist() == [1, 1, 2]
        assert pa.total_allocated_bytes() == before
        del user
