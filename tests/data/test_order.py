"""The order of an epoch: every row once over all ranks, as many steps for each, nothing but seed and epoch in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.data import order
from shortlist.data.order import Place, ShardOrder, Share, block_size, count_batches, plan_epoch

ROWS = st.lists(st.integers(0, 60), max_size=9)


@given(rows_S=ROWS, size=st.integers(1, 20), shuffle=st.booleans())
def test_every_row_comes_once(rows_S: list[int], size: int, shuffle: bool) -> None:
    plan = plan_epoch(rows_S, size, seed=0, epoch=1, shuffle=shuffle)

    assert len(plan) == count_batches(rows_S, size)
    rows = [(place.shard, row) for place in plan for row in range(place.start, place.stop)]
    assert sorted(rows) == [(shard, row) for shard, count in enumerate(rows_S) for row in range(count)]
    assert all(0 < place.stop - place.start <= size for place in plan)


@given(rows=st.integers(1, 60), world=st.integers(1, 9))
def test_ranks_share_the_rows_of_a_batch(rows: int, world: int) -> None:
    shares = [Share(rank, world) for rank in range(world)]
    parts = [share.of(rows) for share in shares]

    counted = [row for part, counts in parts if counts for row in range(part.start, part.stop)]
    assert counted == list(range(rows))
    # As many for each, to one row; and who has none has one that stands in.
    sizes = [part.stop - part.start for part, _ in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all(part.stop - part.start == 1 and part.stop <= rows for part, counts in parts if not counts)

    evenly = [share.evenly(rows).tolist() for share in shares]
    assert len({len(part) for part in evenly}) == 1
    together = [row for part in evenly for row in part]
    assert together[:rows] == list(range(rows))
    assert set(together[rows:]) <= {rows - 1}


def test_the_plan_follows_from_seed_and_epoch() -> None:
    rows_S = [500] * 9

    assert plan_epoch(rows_S, 10, 0, 0) == plan_epoch(rows_S, 10, 0, 0)
    assert plan_epoch(rows_S, 10, 0, 0) != plan_epoch(rows_S, 10, 0, 1)
    assert plan_epoch(rows_S, 10, 0, 0) != plan_epoch(rows_S, 10, 1, 0)
    unshuffled = plan_epoch(rows_S, 300, 0, 0, shuffle=False)
    assert unshuffled[:3] == [Place(0, 0, 300), Place(0, 300, 500), Place(1, 0, 300)]


def test_a_few_shards_take_turns_and_then_the_next_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "BLOCK", 20)
    plan = plan_epoch([100] * 8, 10, seed=0, epoch=0)
    first, second = ({place.shard for place in half} for half in (plan[:40], plan[40:]))

    assert len(first) == len(second) == order.TOGETHER
    assert first.isdisjoint(second)
    # In turns, not one shard after the other; and a block is read to its end.
    assert len({place.shard for place in plan[:20]}) > 2
    for one, two in zip(plan[::2], plan[1::2], strict=True):
        assert (two.shard, two.start) == (one.shard, one.stop)


@given(rows=st.integers(1, 400), size=st.integers(1, 50), seed=st.integers(0, 5))
def test_the_blocks_of_a_shard_hold_each_row_once(rows: int, size: int, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "RUN", 8)
        patch.setattr(order, "BLOCK", 64)
        shard = ShardOrder(3, rows, size, seed, epoch=2)
        blocks = [shard.block(number) for number in range(-(-rows // block_size(size)))]

    assert block_size(size) % size == 0
    assert sorted(np.concatenate(blocks).tolist()) == list(range(rows))


def test_a_block_mixes_runs_from_all_over_the_shard() -> None:
    rows = 100 * order.RUN
    shard = ShardOrder(0, rows, 1024, seed=0, epoch=0)
    block = shard.block(3)

    assert len(block) == order.BLOCK
    # Sixteen runs of 4,096 neighbours: 16 stretches, from the first tenth of the shard to the last.
    stretches = np.flatnonzero(np.diff(np.sort(block)) > 1)
    assert 10 < len(stretches) + 1 <= 17
    assert block.min() < rows / 10
    assert block.max() > rows * 9 / 10
    # Within the block no order is left: a batch has rows of nearly every run.
    assert len(np.unique(block[:1024] // order.RUN)) > 16
    assert np.corrcoef(block, np.arange(len(block)))[0, 1] == pytest.approx(0, abs=0.02)


def test_a_block_is_the_same_whoever_asks_first() -> None:
    shard = ShardOrder(1, 200_000, 1000, seed=4, epoch=7)
    alone = shard.block(2).tolist()

    assert [shard.block(number).tolist() for number in range(3)][2] == alone
    others = [(1, 4, 8), (1, 5, 7), (2, 4, 7)]
    for number, seed, epoch in others:
        assert ShardOrder(number, 200_000, 1000, seed, epoch).block(2).tolist() != alone


def test_every_row_is_as_likely_to_come_early_as_late() -> None:
    """The cut run moves over the shard from epoch to epoch: no row is always in the last, short block."""
    last = [set(ShardOrder(0, 70_000, 1000, 0, epoch).block(1).tolist()) for epoch in range(40)]

    assert len(set.intersection(*last[:10])) == 0
    assert len(set.union(*last)) > 60_000


def test_buckets_hold_like_lengths_and_the_same_rows() -> None:
    shard = ShardOrder(0, 1050, 100, seed=0, epoch=0)
    block = shard.block(0)
    length = np.random.default_rng(0).integers(0, 50, 1050)
    bucketed = shard.bucketed(0, block, length[block])

    assert sorted(bucketed.tolist()) == sorted(block.tolist())
    batches = [length[bucketed[start : start + 100]] for start in range(0, 1050, 100)]
    assert max(np.ptp(batch) for batch in batches) <= 7
    # The batches come in random order, and a bucket's rows are not always the same.
    assert [batch.min() for batch in batches] != sorted(batch.min() for batch in batches)
    assert batches[-1].min() == max(batch.min() for batch in batches)
    later = ShardOrder(0, 1050, 100, 0, 1)
    other = later.bucketed(0, later.block(0), length[later.block(0)])
    assert other.tolist() != bucketed.tolist()
