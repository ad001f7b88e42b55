"""Batches from shards against naive loops: each row once, in a fixed order, with nothing of the future in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from shortlist.data.event_rows import EventRows
from shortlist.data.event_shard import EventShard
from shortlist.data.loader import Gather, RankingRows, RetrievalPairs, ranking_rows, retrieval_pairs
from shortlist.data.negatives import NegativeSampler
from shortlist.data.order import ALONE, Share
from shortlist.data.prepared import Prepared
from shortlist.features.past import age_column, age_rows
from shortlist.features.rows import FeatureRows
from shortlist.schema import Column, Kind, Side, Split
from tests.evaluation import toy

USERS, ITEMS, EVENTS = 9, 12, 120


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A random log over two shards, with unknown users and items (row 0), equal times, and weights."""
    random = np.random.default_rng(0)
    events = [
        toy.Event(
            user=int(random.integers(0, USERS + 1)),
            item=int(random.integers(0, ITEMS + 1)),
            time=int(random.integers(0, 40)),
            split=Split(int(random.choice(3, p=[0.7, 0.2, 0.1]))),
            target=float(random.random() < 0.6),
        )
        for _ in range(EVENTS)
    ]
    prepared = toy.prepared(tmp_path_factory.mktemp("data"), events, USERS, ITEMS, shards=2)
    weighted = [replace(shard, weight=np.arange(1, len(shard) + 1, dtype=np.float32)) for shard in prepared.shards]
    return replace(prepared, shards=tuple(weighted))


def place(data: Prepared, shard: EventShard) -> int:
    return next(i for i, candidate in enumerate(data.shards) if candidate is shard)


def order(
    data: Prepared, seed: int, epoch: int, *, shuffle: bool = True, start: int = 0
) -> list[list[tuple[int, int]]]:
    batches = EventRows(data, Split.TRAIN).batches(7, seed, epoch, shuffle=shuffle, start=start)
    return [[(place(data, batch.shard), int(row)) for row in batch.rows_B] for batch in batches]


def train_rows(data: Prepared) -> list[tuple[int, int]]:
    return [(i, int(n)) for i, shard in enumerate(data.shards) for n in np.flatnonzero(shard.split == Split.TRAIN)]


def test_each_row_comes_once_in_batches_of_one_shard(data: Prepared) -> None:
    batches = order(data, seed=0, epoch=0)
    rows = [row for batch in batches for row in batch]

    assert sorted(rows) == train_rows(data)
    assert len(rows) == len(EventRows(data, Split.TRAIN))
    assert len(batches) == EventRows(data, Split.TRAIN).count_batches(7)
    assert all(len(batch) <= 7 and len({shard for shard, _ in batch}) == 1 for batch in batches)


def test_the_order_is_fixed_by_seed_and_epoch(data: Prepared) -> None:
    assert order(data, 0, 0) == order(data, 0, 0)
    assert order(data, 0, 0) != order(data, 0, 1)
    assert order(data, 0, 0) != order(data, 1, 0)
    assert [row for batch in order(data, 0, 0, shuffle=False) for row in batch] == train_rows(data)


def test_an_epoch_can_begin_with_any_batch(data: Prepared) -> None:
    whole = order(data, 0, 0)

    for start in range(len(whole) + 1):
        assert order(data, 0, 0, start=start) == whole[start:]


def keyed(rows: RankingRows[FeatureRows]) -> list[tuple[object, ...]]:
    """What each row is, as far as it counts; histories may be padded wider beside others."""
    ids = [tuple(row) for row in rows.features.ids_BF.tolist()]
    columns = zip(ids, rows.targets_BT[:, 0].tolist(), rows.weight_B.tolist(), strict=True)
    return [row for row in columns if row[2] > 0]


@pytest.mark.parametrize("world", [2, 3, 40])
@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_ranks_share_each_batch_with_its_negatives(data: Prepared, world: int, keep: float) -> None:
    """Of 40 ranks and batches of at most 7 rows most have one that only stands in, without weight."""
    events, gather = EventRows(data, Split.TRAIN), Gather(data, 3)
    sampler = NegativeSampler("uniform", np.ones(ITEMS + 1, np.int64), data.items_of_users(Split.TRAIN))

    def batches(share: Share) -> list[RankingRows[FeatureRows]]:
        return list(ranking_rows(events, gather, 7, 0, 0, sampler=sampler, sampled=2, keep=keep, share=share))

    whole, parts = batches(ALONE), [batches(Share(rank, world)) for rank in range(world)]
    for number, batch in enumerate(whole):
        of_ranks = [part[number] for part in parts]
        assert sorted(row for part in of_ranks for row in keyed(part)) == sorted(keyed(batch))
        assert {part.observed for part in of_ranks} == {batch.observed}
        assert all(len(part.weight_B) for part in of_ranks)
        # A negative is in the list of a row that is beside it.
        assert all(part.list_B is not None and part.list_B.max() < len(part.weight_B) for part in of_ranks)


@pytest.mark.parametrize("world", [2, 40])
def test_ranks_share_each_batch_of_pairs(data: Prepared, world: int) -> None:
    events, gather = EventRows(data, Split.TRAIN, relevant_only=True, with_item=True), Gather(data, 3)
    whole = list(retrieval_pairs(events, gather, 6, 0, 0))
    parts = [list(retrieval_pairs(events, gather, 6, 0, 0, share=Share(rank, world))) for rank in range(world)]

    for number, batch in enumerate(whole):
        mine = [place for part in parts for place in part[number].mine_B[part[number].weight_B > 0].tolist()]
        assert mine == list(range(len(batch.item_G)))
        for part in (of_rank[number] for of_rank in parts):
            assert part.item_G.tolist() == batch.item_G.tolist()
            assert part.query.ids_BF.tolist() == batch.query.ids_BF[part.mine_B].tolist()


def test_buckets_hold_every_row_and_like_histories(data: Prepared) -> None:
    batches = list(EventRows(data, Split.TRAIN).batches(7, 0, 0, bucket_length=50))
    plain = EventRows(data, Split.TRAIN).batches(7, 0, 0)

    def spread(rows: list[tuple[EventShard, list[int]]]) -> float:
        return float(np.mean([np.ptp(shard.history_length(np.array(of), 50)) for shard, of in rows]))

    assert sorted((place(data, b.shard), int(row)) for b in batches for row in b.rows_B) == train_rows(data)
    assert spread([(b.shard, b.rows_B.tolist()) for b in batches]) < spread(
        [(b.shard, b.rows_B.tolist()) for b in plain]
    )
    tail = EventRows(data, Split.TRAIN).batches(7, 0, 0, bucket_length=50, start=3)
    assert [b.rows_B.tolist() for b in tail] == [b.rows_B.tolist() for b in batches[3:]]


def test_rows_can_be_left_out(data: Prepared) -> None:
    kept = [
        (float(shard.targets_nT[row, 0]), int(shard.item[row]))
        for _, shard, rows_B in EventRows(data, Split.TRAIN, relevant_only=True, with_item=True).batches(50, 0, 0)
        for row in rows_B
    ]

    assert kept
    assert all(target > 0 and item > 0 for target, item in kept)


@pytest.mark.parametrize("own_item", [True, False])
@pytest.mark.parametrize("length", [1, 4, 50])
def test_a_history_is_what_the_same_user_did_before(data: Prepared, length: int, own_item: bool) -> None:
    gather = Gather(data, length, own_item=own_item)
    for shard in data.shards:
        rows_B = np.random.default_rng(0).permutation(len(shard))
        found = gather.history(shard, rows_B)
        assert found is not None
        for i, row in enumerate(rows_B):
            earlier = [n for n in range(row) if shard.user[n] == shard.user[row] and shard.user[row] > 0]
            # The splits of this log are random: an earlier event may be of a later split.
            shown = [n for n in earlier if shard.split[n] <= shard.split[row]]
            shown = [n for n in shown if own_item or shard.item[n] != shard.item[row]][-length:]
            ids_L = found.ids_UL[found.of_B[i]].tolist()
            assert ids_L == [*data.id_of_item[shard.item[shown]].tolist(), *[0] * (length - len(shown))]
            assert found.length_U[found.of_B[i]] == len(shown)


@pytest.mark.parametrize("own_item", [True, False])
@pytest.mark.parametrize("length", [1, 4, 50])
def test_types_and_ages_are_those_of_the_events_shown(data: Prepared, length: int, own_item: bool) -> None:
    past = (Column(name="past.type", side=Side.PAST, kind=Kind.FIELD, size=200, offset=100), age_column(300))
    for shard in data.shards:
        typed = replace(shard, event=np.arange(100, 100 + len(shard), dtype=np.int32))
        rows_B = np.random.default_rng(0).permutation(len(shard))
        history = typed.history(rows_B, length, data.id_of_item, own_item=own_item, trim=True, past=past)
        plain = shard.history(rows_B, length, data.id_of_item, own_item=own_item, trim=True)
        assert history.past_ULP is not None
        assert plain.past_ULP is None
        assert history.ids_UL.tolist() == plain.ids_UL.tolist()
        for i, row in enumerate(rows_B):
            shown = [n for n in range(row) if shard.user[n] == shard.user[row] and shard.user[row] > 0]
            shown = [n for n in shown if shard.split[n] <= shard.split[row]]
            shown = [n for n in shown if own_item or shard.item[n] != shard.item[row]][-length:]
            rows_of_age = 300 + age_rows(shard.time[row] - shard.time[shown])
            expected = [[100 + n, age] for n, age in zip(shown, rows_of_age.tolist(), strict=True)]
            padding = [[0, 0]] * (history.ids_UL.shape[1] - len(shown))
            assert history.past_ULP[i].tolist() == expected + padding


def test_a_trimmed_history_is_the_same_and_no_wider_than_need_be(data: Prepared) -> None:
    shard = data.shards[0]
    for rows_B in (np.arange(len(shard)), np.array([1]), shard.start[:1]):
        whole, trimmed = (shard.history(rows_B, 50, data.id_of_item, trim=trim) for trim in (False, True))
        longest = int(whole.length_U.max())
        width = trimmed.ids_UL.shape[1]

        assert trimmed.length_U.tolist() == whole.length_U.tolist()
        assert trimmed.ids_UL.tolist() == whole.ids_UL[:, :width].tolist()
        assert longest <= width < longest + 8 or width == 8
        assert whole.ids_UL.shape[1] == 50
    assert shard.history(np.arange(len(shard)), 5, data.id_of_item, trim=True).ids_UL.shape[1] == 5


@pytest.mark.parametrize("own_item", [True, False])
@pytest.mark.parametrize("length", [1, 4, 50])
def test_without_times_a_history_is_all_else_that_the_user_has(data: Prepared, length: int, own_item: bool) -> None:
    timeless = replace(data, schema=replace(data.schema, has_time=False))
    gather = Gather(timeless, length, own_item=own_item)
    for shard in data.shards:
        rows_B = np.random.default_rng(0).permutation(len(shard))
        found = gather.history(shard, rows_B)
        assert found is not None
        counts = shard.history_length(rows_B, length, others=True)
        for i, row in enumerate(rows_B):
            others = [n for n in range(len(shard)) if n != row and shard.user[n] == shard.user[row] > 0]
            assert counts[i] == min(len(others), length)
            shown = [n for n in others if shard.split[n] <= shard.split[row]]
            shown = [n for n in shown if own_item or shard.item[n] != shard.item[row]][-length:]
            ids_L = found.ids_UL[found.of_B[i]].tolist()
            assert ids_L == [*data.id_of_item[shard.item[shown]].tolist(), *[0] * (length - len(shown))]
            assert found.length_U[found.of_B[i]] == len(shown)


def test_no_history_without_users(data: Prepared) -> None:
    shard = data.shards[0]
    nobody = replace(data, schema=replace(data.schema, has_users=False))
    assert Gather(nobody, 5).history(shard, np.arange(3)) is None
    assert Gather(data, 0).history(shard, np.arange(3)) is None


def test_a_row_shows_user_context_and_the_item_asked_for(data: Prepared) -> None:
    shard, rows_B = data.shards[1], np.array([3, 0, 5])
    item_B = np.array([7, 1, 0], np.int32)
    rows = Gather(data, 0).row(shard, rows_B, item_B)

    assert rows.ids_BF[:, 0].tolist() == [data.users.ids_nF[user, 0] for user in shard.user[rows_B]]
    assert rows.ids_BF[:, 1].tolist() == [data.items.ids_nF[item, 0] for item in item_B]
    assert rows.numbers_BN[:, 0].tolist() == [float(time) for time in shard.time[rows_B]]


def test_positive_pairs_are_relevant_events(data: Prepared) -> None:
    events = EventRows(data, Split.TRAIN, relevant_only=True, with_item=True)
    pairs = list(retrieval_pairs(events, Gather(data, 3), 6, seed=0, epoch=0))

    assert sum(len(pair.item_G) for pair in pairs) == len(events)
    assert len(pairs) == events.count_batches(6)
    for pair in pairs:
        assert (pair.item_G > 0).all()
        assert (pair.target_B > 0).all()
        assert pair.query.ids_BF[:, 0].tolist() == data.users.ids_nF[pair.user_G, 0].tolist()


def decoded(rows: FeatureRows, data: Prepared) -> list[tuple[int, int, float]]:
    """User row, item row and time of each row."""
    user_of = {int(value): row for row, value in enumerate(data.users.ids_nF[:, 0])}
    item_of = {int(value): row for row, value in enumerate(data.items.ids_nF[:, 0])}
    return [
        (user_of[int(user)], item_of[int(item)], float(time))
        for (user, item), (time,) in zip(rows.ids_BF, rows.numbers_BN, strict=True)
    ]


@pytest.mark.parametrize("observed", [True, False])
def test_ranking_rows_are_events_and_the_negatives_of_relevant_ones(data: Prepared, observed: bool) -> None:
    sampler = NegativeSampler("uniform", np.ones(ITEMS + 1, np.int64), data.items_of_users(*Split))
    batches = list(
        ranking_rows(
            EventRows(data, Split.TRAIN, relevant_only=not observed),
            Gather(data, 3),
            16,
            0,
            0,
            sampler=sampler,
            sampled=3,
        )
    )
    expected: Counter[tuple[int, int, float, float, float]] = Counter()
    for shard in data.shards:
        for n in np.flatnonzero(shard.split == Split.TRAIN):
            target = float(shard.targets_nT[n, 0])
            assert shard.weight is not None
            if observed or target > 0:
                key = (int(shard.user[n]), int(shard.item[n]), float(shard.time[n]), target, float(shard.weight[n]))
                expected[key] += 1

    positives = {(user, item) for user, items in enumerate(bag_lists(data)) for item in items}
    negatives: Counter[tuple[int, float, float]] = Counter()
    for batch in batches:
        for (user, item, time), target, weight in zip(
            decoded(batch.features, data), batch.targets_BT[:, 0].tolist(), batch.weight_B.tolist(), strict=True
        ):
            key = (user, item, time, target, weight)
            if expected[key] > 0:
                expected[key] -= 1
                continue
            assert target == 0
            assert item > 0
            assert (user, item) not in positives
            negatives[user, time, weight] += 1

    assert not +expected
    # At most three for each relevant event, at its own moment and with its own weight.
    relevant = Counter(
        (int(shard.user[n]), float(shard.time[n]), float(shard.weight[n]))
        for shard in data.shards
        for n in np.flatnonzero((shard.split == Split.TRAIN) & shard.relevant())
        if shard.weight is not None
    )
    assert all(count <= 3 * relevant[key] for key, count in negatives.items())
    assert sum(negatives.values()) > 2 * relevant.total()


def bag_lists(data: Prepared) -> list[list[int]]:
    bag = data.items_of_users(*Split)
    return [bag.values[a:b].tolist() for a, b in zip(bag.offsets_n[:-1], bag.offsets_n[1:], strict=True)]


def test_a_log_without_targets_has_relevant_events_alone(data: Prepared) -> None:
    bare = [replace(shard, targets_nT=np.zeros((len(shard), 0), np.float32), weight=None) for shard in data.shards]
    prepared = replace(data, shards=tuple(bare))
    batches = list(ranking_rows(EventRows(prepared, Split.VALID), Gather(prepared, 0), 100, 0, 0))

    assert sum(len(batch.weight_B) for batch in batches) == len(EventRows(prepared, Split.VALID))
    assert all((batch.targets_BT == 1).all() and (batch.weight_B == 1).all() for batch in batches)


def as_lists(rows: RankingRows[FeatureRows]) -> list[object]:
    return [
        *(array.tolist() for array in rows.features.feeds().values()),
        rows.targets_BT.tolist(),
        rows.weight_B.tolist(),
    ]


@pytest.mark.parametrize("share", [ALONE, Share(1, 2)])
def test_an_epoch_goes_on_bit_for_bit_negatives_included(data: Prepared, share: Share) -> None:
    sampler = NegativeSampler("uniform", np.ones(ITEMS + 1, np.int64), data.items_of_users(Split.TRAIN))
    events, gather = EventRows(data, Split.TRAIN), Gather(data, 3)

    def batches(start: int, seed: int = 0, epoch: int = 0) -> list[list[object]]:
        rows = ranking_rows(events, gather, 7, seed, epoch, sampler=sampler, sampled=2, start=start, share=share)
        return [as_lists(batch) for batch in rows]

    whole = batches(0)
    for start in (0, 1, len(whole) - 1, len(whole)):
        assert batches(start) == whole[start:]
    assert batches(0, seed=1) != whole
    assert batches(0, epoch=1) != whole


def test_pairs_go_on_bit_for_bit(data: Prepared) -> None:
    events, gather = EventRows(data, Split.TRAIN, relevant_only=True, with_item=True), Gather(data, 3)

    def batches(start: int) -> list[object]:
        def shown(pair: RetrievalPairs[FeatureRows]) -> object:
            return [pair.number, pair.query.ids_BF.tolist(), pair.item_G.tolist(), pair.weight_B.tolist()]

        return [shown(pair) for pair in retrieval_pairs(events, gather, 6, 0, 0, start=start)]

    assert batches(4) == batches(0)[4:]
