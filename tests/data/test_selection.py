"""What is known of a shard without opening it, against counting by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from shortlist.data.event_rows import EventRows
from shortlist.data.prepared import Prepared
from shortlist.data.selection import Selection, ShardFacts
from shortlist.schema import Split
from tests.evaluation import toy


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    random = np.random.default_rng(0)
    events = [
        toy.Event(int(random.integers(5)), int(random.integers(4)), n, Split(n % 3), float(random.integers(-1, 3)))
        for n in range(60)
    ]
    return toy.prepared(tmp_path, events, users=4, items=3, shards=2)


@pytest.mark.parametrize(("split", "relevant_only", "with_item"), [*product(Split, (False, True), (False, True))])
def test_rows_are_counted_and_found(data: Prepared, split: Split, relevant_only: bool, with_item: bool) -> None:
    selection = Selection(split, relevant_only, with_item)
    for shard, facts in zip(data.shards, data.facts, strict=True):
        expected = [
            row
            for row in range(len(shard))
            if shard.split[row] == split
            and (shard.targets_nT[row, 0] > 0 or not relevant_only)
            and (shard.item[row] > 0 or not with_item)
        ]
        assert selection.rows(shard).tolist() == expected
        assert facts.rows(selection) == len(expected)
    found = EventRows(data, split, relevant_only=relevant_only, with_item=with_item)
    assert len(found) == sum(facts.rows(selection) for facts in data.facts)


def test_the_ends_of_targets_are_known(data: Prepared) -> None:
    assert [facts.lowest_T for facts in data.facts] == [(-1.0,), (-1.0,)]
    assert [facts.highest_T for facts in data.facts] == [(2.0,), (2.0,)]
    shard = data.shards[0]
    targets_nT = np.zeros((len(shard), 2), np.float32)
    targets_nT[:2] = [[np.nan, 0.5], [0.25, np.nan]]
    holes = replace(shard, targets_nT=targets_nT)
    assert (ShardFacts.of(holes).lowest_T, ShardFacts.of(holes).highest_T) == (
        (0.0, 0.0),
        (0.25, 0.5),
    )


def test_rows_that_contradict_what_targets_may_be_are_counted(data: Prepared) -> None:
    """Training rows alone; a row is above the least of the targets before it that it tells."""
    nan = float("nan")
    rows: list[list[float]] = [
        [1, 1, 1],
        [0.5, 1, 0],
        [0, nan, 1],
        [nan, 0, 1],
        [nan, nan, 1],
        [1, 0, 0],
        [0.25, 0.25, 0],
        [0, 1, 1],
    ]
    shard = data.shards[0]
    targets_nT = np.zeros((len(shard), 3), np.float32)
    split_n = np.full(len(shard), Split.VALID, np.int8)
    targets_nT[:8] = rows
    targets_nT[8:] = [0.5, 1, 1]
    split_n[:8] = Split.TRAIN
    facts = ShardFacts.of(replace(shard, targets_nT=targets_nT, split=split_n))

    assert facts.shares == 2
    assert facts.out_of_turn_T == (0, 2, 3)


def test_the_ends_of_relevant_training_rows_are_known(data: Prepared) -> None:
    nan = float("nan")
    shard = data.shards[0]
    targets_nT = np.full((len(shard), 3), [0, 9, 9], np.float32)
    targets_nT[:4] = [[1, 2, nan], [0.5, nan, nan], [1, -3, nan], [nan, 7, 7]]
    split_n = np.full(len(shard), Split.TRAIN, np.int8)
    split_n[4:6], targets_nT[4:6] = Split.VALID, [1, 8, 8]
    facts = ShardFacts.of(replace(shard, targets_nT=targets_nT, split=split_n))

    assert facts.relevant_lowest_T == (0.5, -3.0, None)
    assert facts.relevant_highest_T == (1.0, 2.0, None)


def test_facts_survive_json(data: Prepared) -> None:
    for facts in data.facts:
        assert ShardFacts.from_json(json.loads(json.dumps(asdict(facts), allow_nan=False))) == facts


def test_a_log_without_targets_is_all_relevant(data: Prepared) -> None:
    shard = replace(data.shards[0], targets_nT=np.zeros((len(data.shards[0]), 0), np.float32))
    facts = ShardFacts.of(shard)

    assert facts.lowest_T == ()
    assert (facts.shares, facts.out_of_turn_T) == (0, ())
    assert facts.rows(Selection(Split.TRAIN, relevant_only=True)) == facts.rows(Selection(Split.TRAIN))
