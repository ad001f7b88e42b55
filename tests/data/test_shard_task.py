"""What an executor is told of a shard, and what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from shortlist.core.errors import EnvironmentFault
from shortlist.data.event_finish import EventFinish
from shortlist.data.shard_task import ShardTask, write_shard
from shortlist.tables.names import SHARD, TIME

SCHEMA = pa.schema({TIME: pa.int64(), SHARD: pa.int32()})


def task_in(folder: Path) -> ShardTask:
    finish = EventFinish(moving=(TIME,), constant={}, labels=())
    return ShardTask(folder=str(folder), url=None, finish=finish, keys=(TIME,), schema=SCHEMA)


def test_a_task_arrives_as_it_was_sent(tmp_path: Path) -> None:
    assert ShardTask.from_json(task_in(tmp_path).to_json()) == task_in(tmp_path)


def test_a_folder_that_only_the_driver_sees(tmp_path: Path) -> None:
    rows = pa.record_batch([pa.array([1]), pa.array([0], pa.int32())], schema=SCHEMA)
    with pytest.raises(EnvironmentFault, match=r"does not see .*; name one with --runs DIR") as raised:
        list(write_shard(task_in(tmp_path / "elsewhere" / "prepared").to_json(), iter([rows])))
    assert len(str(raised.value).splitlines()) == 1


def test_a_shard_without_rows_writes_nothing(tmp_path: Path) -> None:
    assert list(write_shard(task_in(tmp_path).to_json(), iter([]))) == []
