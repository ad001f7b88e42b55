"""The part of preparation that runs on executors: a shard's rows sorted, encoded and written where they lie.

It needs no engine for tables.
"""

from __future__ import annotations

import base64
import json
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.core.errors import EnvironmentFault
from shortlist.core.files import whole_file
from shortlist.data.event_finish import EventFinish
from shortlist.data.remote import Place, upload_shard
from shortlist.data.shards import one_batch, shard_name, write_batch
from shortlist.data.sorting import in_order
from shortlist.features.encoder import Encoder
from shortlist.schema import Side
from shortlist.tables.names import SHARD

SAID = pa.schema({"said": pa.string()})
"""What a task tells the driver: JSON of `RemoteShard`, or nothing of a shard in the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """What each executor is told."""

    folder: str
    """Of the prepared data; its features are there already."""
    url: str | None
    """Where the shards go, if not into the folder."""
    finish: EventFinish
    keys: tuple[str, ...]
    """Columns to sort by."""
    schema: pa.Schema
    """Of the engine's rows."""

    def to_json(self) -> str:
        """As text."""
        schema = base64.b64encode(self.schema.serialize()).decode()
        told = {"folder": self.folder, "url": self.url, "keys": self.keys, "schema": schema}
        return json.dumps({**told, "finish": asdict(self.finish)})

    @classmethod
    def from_json(cls, text: str) -> ShardTask:
        """From what `to_json` wrote."""
        told: dict[str, Any] = json.loads(text)
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(told.pop("schema"))))
        finish = told.pop("finish")
        lists = {name: tuple(finish[name]) for name in ("moving", "labels")}
        return cls(**{**told, "keys": tuple(told["keys"])}, schema=schema, finish=EventFinish(**{**finish, **lists}))


def write_shard(task_json: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write all rows of one shard, in their order."""
    task = ShardTask.from_json(task_json)
    found = list(batches)
    if not found:
        return
    folder = Path(task.folder)
    if not (folder / "features").is_dir():
        raise EnvironmentFault(
            f"the executor {socket.gethostname()} does not see {folder.parent}, into which the driver has written the "
            "features. Expected a folder that every host has mounted at the same path; name one with --runs DIR."
        )
    rows = pa.RecordBatch.from_arrays(one_batch(found).columns, names=task.schema.names).cast(task.schema)
    name = shard_name(rows.column(SHARD)[0].as_py())
    encoders = {side: Encoder.load(folder / "features", side) for side in (Side.CONTEXT, Side.PAST)}
    stored = task.finish.stored(encoders, in_order(rows.drop_columns([SHARD]), task.keys))
    yield pa.record_batch([pa.array([_written(task, name, stored)], pa.string())], SAID)


def _written(task: ShardTask, name: str, stored: pa.RecordBatch) -> str | None:
    if task.url is None:
        with whole_file(Path(task.folder) / name) as draft:
            write_batch(draft, stored)
        return None
    with tempfile.TemporaryDirectory(prefix="shortlist-") as here:
        write_batch(Path(here) / name, stored)
        return json.dumps(asdict(upload_shard(Place(task.url), Path(here) / name)))
