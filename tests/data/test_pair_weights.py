"""Weights of the log's rows reach the retrieval model's batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from shortlist.data.event_rows import EventRows
from shortlist.data.loader import Gather, retrieval_pairs
from shortlist.schema import Split
from tests.evaluation import toy


def test_each_pair_has_the_weight_of_its_event(tmp_path: Path) -> None:
    data = toy.prepared(tmp_path, [toy.Event(1, item, item) for item in range(1, 9)], users=1, items=8)
    (shard,) = data.shards
    weighted = replace(data, shards=(replace(shard, weight=shard.item.astype(np.float32) / np.float32(4)),))

    for source, expected in ((data, np.ones(8)), (weighted, np.arange(1, 9) / 4)):
        events = EventRows(source, Split.TRAIN, relevant_only=True, with_item=True)
        (pairs,) = retrieval_pairs(events, Gather(source, 0), 8, seed=0, epoch=0)
        assert pairs.weight_B[np.argsort(pairs.item_G)].tolist() == expected.tolist()
