"""Prepared data as files: mapped as it was written, and refused with what to do where it is broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shortlist.core.errors import DataError
from shortlist.data.event_shard import EventShard
from shortlist.data.prepared import Prepared
from shortlist.data.shards import read_batch
from shortlist.features.rows import FeatureTable
from shortlist.schema import Split
from tests.evaluation import toy


def write(path: Path, columns: dict[str, pa.Array]) -> None:
    batch = pa.record_batch(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def shard_columns(user: list[int]) -> dict[str, pa.Array]:
    rows = len(user)
    context = FeatureTable(np.zeros((rows, 0), np.int32), np.arange(rows, dtype=np.float32)[:, None])
    targets = FeatureTable(np.zeros((rows, 0), np.int32), np.ones((rows, 1), np.float32)).to_arrow()["numbers"]
    return {
        **context.to_arrow(),
        "user": pa.array(user, pa.int32()),
        "item": pa.array(range(1, rows + 1), pa.int32()),
        "time": pa.array(range(rows), pa.int64()),
        "split": pa.array([0] * rows, pa.int8()),
        "targets": targets,
    }


def test_a_shard_knows_where_each_user_begins(tmp_path: Path) -> None:
    write(tmp_path / "events.arrow", shard_columns([0, 0, 3, 3, 3, 7]))
    shard = EventShard.of("events", read_batch(tmp_path / "events.arrow"))

    assert shard.start.tolist() == [0, 0, 2, 2, 2, 5]
    assert shard.weight is None
    assert shard.context.numbers_nN[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    found = shard.history(np.array([1, 2, 4]), 2, np.arange(7, dtype=np.int32) + 10)
    # Row 1 is an unknown user's, row 2 the first of user 3, row 4 has two events before it.
    assert found.ids_UL[found.of_B].tolist() == [[0, 0], [0, 0], [13, 14]]


def test_an_empty_shard_is_no_error(tmp_path: Path) -> None:
    write(tmp_path / "events.arrow", shard_columns([]))

    assert len(EventShard.of("events", read_batch(tmp_path / "events.arrow"))) == 0


def test_a_shard_is_a_view_on_its_file(tmp_path: Path) -> None:
    write(tmp_path / "events.arrow", shard_columns([1, 1]))
    shard = EventShard.of("events", read_batch(tmp_path / "events.arrow"))

    with pytest.raises(ValueError, match="read-only"):
        shard.item[0] = 9


def test_items_of_users_are_in_order_of_time(tmp_path: Path) -> None:
    events = [
        toy.Event(1, 2, 30),
        toy.Event(1, 1, 10, target=0.0),
        toy.Event(1, 2, 20, Split.VALID),
        toy.Event(2, 0, 5),
        toy.Event(2, 3, 6),
        toy.Event(0, 3, 6),
    ]
    data = toy.prepared(tmp_path, events, users=2, items=3)

    def of(*splits: Split, relevant_only: bool = False) -> list[list[int]]:
        bag = data.items_of_users(*splits, relevant_only=relevant_only)
        return [list(bag.values[a:b]) for a, b in zip(bag.offsets_n[:-1], bag.offsets_n[1:], strict=True)]

    assert of(Split.TRAIN) == [[], [1, 2], [3]]
    assert of(Split.TRAIN, Split.VALID) == [[], [1, 2, 2], [3]]
    assert of(Split.TRAIN, relevant_only=True) == [[], [2], [3]]
    assert of(Split.TEST) == [[], [], []]


def test_a_folder_that_is_not_prepared_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.json.*shortlist prepare"):
        Prepared.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not Arrow", None])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    if content is not None:
        (tmp_path / "users.arrow").write_bytes(content)

    with pytest.raises(DataError, match=r"cannot read .*users\.arrow.*prepare --force"):
        Prepared.open(tmp_path)
