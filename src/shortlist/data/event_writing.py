"""Events into shards: by this process, or, where the engine has executors, by them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shortlist.core.profile import span
from shortlist.core.progress import Reporter
from shortlist.data.encoding import EventPlan, event_batches, plan_events
from shortlist.data.remote import REMOTE, Place, upload
from shortlist.data.shard_task import ShardTask
from shortlist.data.shards import ShardWriter, shard_name, shards_of_users
from shortlist.features.encoder import Encoder
from shortlist.schema import Side
from shortlist.tables.engine import Distributed, Engine
from shortlist.tables.entities import Entities
from shortlist.tables.names import SHARD, USER
from shortlist.tables.results import arrow_schema
from shortlist.tables.splits import Held


def write_events(
    engine: Engine,
    encoders: Mapping[Side, Encoder],
    held: Held,
    entities: Mapping[str, Entities],
    draft: Path,
    *,
    url: str | None,
    reporter: Reporter,
) -> dict[str, Any]:
    """Write all events into the prepared folder `draft`, or to `url`; what the manifest says of the shards.

    Executors write whole users: a log without any goes through this process. Both ways write the same shards.
    """
    if not isinstance(engine, Distributed) or USER not in entities:
        names = _write_here(engine, encoders, held, entities, draft, reporter)
        return {"shards": names, **upload(draft, names, url)}
    shard_of_user = shards_of_users(entities[USER].log_count)
    plan = plan_events(engine, encoders, held.events, entities, shard_of_user)
    count = int(shard_of_user.max()) + 1
    if url is not None:
        Place(url)  # a wrong address is told before the executors have sorted everything
    said = _write_there(engine, plan, count, draft, url=url, total=sum(held.rows.values()), reporter=reporter)
    names = [shard_name(number) for number in range(count)]
    if url is None:
        return {"shards": names}
    remote = sorted((json.loads(text) for text in said), key=lambda shard: str(shard["name"]))
    return {"shards": names, REMOTE: {"url": url, "shards": remote}}


def _write_here(
    engine: Engine,
    encoders: Mapping[Side, Encoder],
    held: Held,
    entities: Mapping[str, Entities],
    draft: Path,
    reporter: Reporter,
) -> list[str]:
    total, scratch = sum(held.rows.values()), draft / "buckets"
    plan = plan_events(engine, encoders, held.events, entities)
    writer = ShardWriter(draft, total)
    with reporter.bar("prepare", total, "rows") as advance:
        for batch in event_batches(engine, encoders, plan, total, scratch):
            with span("write"):
                writer.add(batch)
            advance(batch.num_rows, "")
    with span("write"):
        writer.close()
    shutil.rmtree(scratch, ignore_errors=True)
    return writer.names


def _write_there(
    engine: Distributed, plan: EventPlan, count: int, draft: Path, *, url: str | None, total: int, reporter: Reporter
) -> list[str]:
    rows = plan.table.select(*plan.columns, SHARD)
    task = ShardTask(
        folder=str(draft.absolute()), url=url, finish=plan.finish, keys=plan.keys, schema=arrow_schema(rows)
    )
    with reporter.bar("prepare", total, "rows") as advance, span("apply"):
        said = engine.map_parts(
            rows,
            SHARD,
            count,
            ("shortlist.data.shard_task", "write_shard", task.to_json()),
            lambda shards: advance(shards * total // count, ""),
        )
    return [text for text in said["said"].to_pylist() if text is not None]
