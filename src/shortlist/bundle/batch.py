"""Recommendations for many users at once, streamed into one Parquet file.

Legend: U users of a batch, K list positions, R recommendations of a batch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shortlist.bundle.recommender import Recommender
from shortlist.core.files import whole_file
from shortlist.core.progress import Reporter, Silent
from shortlist.funnel.columns import Candidates

_USERS_A_BATCH = 1024
_SILENT = Silent()


def recommend_to(
    recommender: Recommender,
    users: pa.Array,
    path: Path,
    k: int = 10,
    exclude_seen: bool | None = None,
    *,
    reporter: Reporter = _SILENT,
    filter: str | None = None,
    diversity: float | None = None,
) -> int:
    """Write the best `k` items that `filter` keeps for each of `users`, ids of the bundle's own type; returns the rows.

    Columns: user_id, item_id, rank (int32, 1 is best), score (float32), source. One row group a batch of users; the
    file is whole or not there. A user never seen gets what new users get.
    """
    schema = pa.schema(
        {
            "user_id": users.type,
            "item_id": recommender.bundle.item_keys.type,
            "rank": pa.int32(),
            "score": pa.float32(),
            "source": pa.dictionary(pa.int32(), pa.string()),
        }
    )
    rows = 0
    with (
        whole_file(path) as draft,
        pq.ParquetWriter(draft, schema, compression="zstd") as writer,
        reporter.bar("recommend", len(users), "users") as advance,
    ):
        for start in range(0, len(users), _USERS_A_BATCH):
            batch = users.slice(start, _USERS_A_BATCH)
            requests = recommender.requests(batch.to_pylist(), exclude_seen=exclude_seen, filter=filter)
            found = recommender.run(requests, k, diversity=diversity)
            columns = _columns(recommender, batch, found)
            writer.write_batch(pa.record_batch(columns, schema=schema))
            rows += len(columns[0])
            advance(len(batch), "")
    return rows


def _columns(recommender: Recommender, users: pa.Array, found: Candidates) -> list[pa.Array]:
    """Valid candidates as rows: user, item, rank, score, source, each (R,)."""
    user_R, place_R = np.nonzero(found.valid_UK)
    items = recommender.bundle.item_keys.take(pa.array(found.item_UK[user_R, place_R]))
    source = pa.DictionaryArray.from_arrays(
        pa.array(found.source_UK[user_R, place_R].astype(np.int32)), pa.array(found.sources, pa.string())
    )
    score = pa.array(found.score_UK[user_R, place_R].astype(np.float32))
    rank = pc.add(pa.array(place_R.astype(np.int32)), pa.scalar(1, pa.int32()))
    return [users.take(pa.array(user_R)), items, rank, score, source]
