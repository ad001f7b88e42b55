"""Windows of whole users against a naive loop: each event asks once, for the next relevant item, whatever is cut."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from shortlist.data.event_shard import EventShard
from shortlist.data.prepared import Prepared
from shortlist.data.sequences import EventSequences, SequenceRows
from shortlist.features.past import age_column, age_rows
from shortlist.schema import Column, Kind, Side, Split
from tests.evaluation import toy

USERS, ITEMS, EVENTS, LENGTH = 11, 15, 260, 7


class Question(NamedTuple):
    """What a training event asks for; `after` is None for what is asked before a user's first event."""

    user: int
    after: tuple[int, int] | None
    """The shard and the row of the event."""
    item: int
    weight: float
    age: int
    """Seconds between the event and the target."""


def log(in_order: bool) -> list[toy.Event]:
    """A random log with unknown users and items (row 0), a user of one event, and equal times."""
    random = np.random.default_rng(1)
    events = []
    for _ in range(EVENTS):
        time = int(random.integers(0, 60))
        split = Split(int(time > 45) + int(time > 52)) if in_order else Split(int(random.choice(3, p=[0.8, 0.1, 0.1])))
        user, item = int(random.integers(0, USERS)) ** 2 // USERS, int(random.integers(0, ITEMS + 1))
        events.append(toy.Event(user, item, time, split, target=float(random.random() < 0.5)))
    return [*events, toy.Event(USERS, 3, 5)]


def prepared(folder: Path, in_order: bool) -> Prepared:
    """Over two shards; with types, ages and weights."""
    data = toy.prepared(folder, log(in_order), USERS, ITEMS, shards=2)
    offset = data.schema.rows
    past = (
        Column(name="past.type", side=Side.PAST, kind=Kind.FIELD, size=4, offset=offset),
        age_column(offset + 4),
    )
    shards = tuple(
        replace(
            shard,
            weight=np.arange(1, len(shard) + 1, dtype=np.float32),
            event=(offset + np.arange(len(shard)) % 4).astype(np.int32),
        )
        for shard in data.shards
    )
    return replace(data, schema=replace(data.schema, columns=(*data.schema.columns, *past)), shards=shards)


@pytest.fixture(scope="module", params=[True, False], ids=["by time", "at random"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("data"), request.param)


def naive(data: Prepared, own_item: bool) -> list[Question]:
    """Every question of an epoch."""
    found = []
    for number, shard in enumerate(data.shards):
        by_user = defaultdict(list)
        for row in np.flatnonzero((shard.split == Split.TRAIN) & (shard.user > 0)):
            by_user[int(shard.user[row])].append(int(row))
        for user, rows in by_user.items():
            asked = _asked(shard, rows, own_item)
            for after in (None, *rows):
                later = [place for place in asked if after is None or place > after]
                if later:
                    age = 0 if after is None else int(shard.time[later[0]] - shard.time[after])
                    weight = float(shard.weight[asked[later[0]]])  # type: ignore[index]
                    place = None if after is None else (number, after)
                    found.append(Question(user, place, int(shard.item[later[0]]), weight, age))
    return sorted(found, key=str)


def _asked(shard: EventShard, rows: list[int], own_item: bool) -> dict[int, int]:
    """Rows where an item is a target, in order, each with the row that is relevant."""
    relevant = [row for row in rows if shard.targets_nT[row, 0] > 0 and shard.item[row] > 0]
    if own_item:
        return {row: row for row in relevant}
    firsts: dict[int, int] = {}
    for row in relevant:
        met = next(earlier for earlier in rows if shard.item[earlier] == shard.item[row])
        firsts.setdefault(met, row)
    return dict(sorted(firsts.items()))


def batches(data: Prepared, own_item: bool = True, size: int = 4, **more: Any) -> list[SequenceRows]:
    sequences = EventSequences(data, LENGTH, own_item=own_item, past=True)
    return list(sequences.batches(size, **{"seed": 0, "epoch": 0, **more}))


def rows_of(data: Prepared, rows: SequenceRows) -> list[list[list[tuple[int, int]]]]:
    """The shard and the rows of each window, found again by its types and ids: every place that has them."""
    found: list[list[list[tuple[int, int]]]] = []
    for i, length in enumerate(rows.history.length_U):
        if not length:
            found.append([])
            continue
        ids = rows.history.ids_UL[i, :length]
        types = rows.history.past_ULP[i, :length, 0]  # type: ignore[index]
        matching = [
            [(number, int(row)) for row in kept[start : start + length]]
            for number, shard in enumerate(data.shards)
            for kept in [np.flatnonzero((shard.split == Split.TRAIN) & (shard.user > 0))]
            for start in range(len(kept) - length + 1)
            for window in [kept[start : start + length]]
            if (data.id_of_item[shard.item[window]] == ids).all()
            and (shard.event[window] == types).all()  # type: ignore[index]
            and len(set(shard.user[window])) == 1
        ]
        found.append(matching)
    return found


def asked(data: Prepared, given: list[SequenceRows], column: Column) -> list[Question]:
    """The questions of batches, their events found again."""
    questions = []
    for rows in given:
        width = rows.history.ids_UL.shape[1]
        windows = rows_of(data, rows)
        for p, (item, user, weight) in enumerate(zip(rows.item_G, rows.user_G, rows.weight_P, strict=True)):
            if p >= len(rows.place_P):
                questions.append(Question(int(user), None, int(item), float(weight), 0))
                continue
            window, place = divmod(int(rows.place_P[p]), width)
            [mine] = [places for places in windows[window] if data.shards[places[0][0]].user[places[0][1]] == user]
            number, row = mine[place]
            age = int(rows.history.past_ULP[window, place, 1]) - column.offset  # type: ignore[index]
            questions.append(Question(int(user), (number, row), int(item), float(weight), age))
    return sorted(questions, key=str)


@pytest.mark.parametrize("own_item", [True, False])
@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("buckets", [False, True])
def test_each_event_asks_once_for_the_next_relevant_item(
    data: Prepared, own_item: bool, epoch: int, buckets: bool
) -> None:
    given = batches(data, own_item, epoch=epoch, buckets=buckets)
    column = data.schema.column("past.age")
    expected = [
        question if question.after is None else question._replace(age=int(age_rows(np.array([question.age]))[0]))
        for question in naive(data, own_item)
    ]

    assert asked(data, given, column) == sorted(expected, key=str)
    sequences = EventSequences(data, LENGTH, own_item=own_item)
    assert len(sequences) == len(expected)
    assert sequences.count_I.tolist() == [sum(question.item == i for question in expected) for i in range(ITEMS + 1)]
    assert len(given) == sequences.count_batches(4)


def test_windows_are_cut_elsewhere_in_each_epoch_and_into_as_few_as_can_be(data: Prepared) -> None:
    states: defaultdict[int, int] = defaultdict(int)
    for question in naive(data, own_item=True):
        states[question.user] += question.after is not None
    cuts = set()
    for epoch in range(4):
        windows = defaultdict(list)
        for rows in batches(data, epoch=epoch):
            owner = rows.user_G[: len(rows.place_P)]
            of_window = rows.place_P // rows.history.ids_UL.shape[1]
            for window in np.unique(of_window):
                windows[int(owner[of_window == window][0])].append(int(np.count_nonzero(of_window == window)))
        assert {user: sum(lengths) for user, lengths in windows.items()} == {u: n for u, n in states.items() if n}
        assert {user: len(lengths) for user, lengths in windows.items()} == {
            user: -(-count // LENGTH) for user, count in states.items() if count
        }
        cuts.add(tuple(sorted((user, tuple(sorted(lengths))) for user, lengths in windows.items())))

    assert len(cuts) > 1
    assert max(max(lengths) for cut in cuts for _, lengths in cut) == LENGTH


def test_a_user_of_one_event_asks_once_before_it(data: Prepared) -> None:
    asking = [
        (rows.item_G[rows.user_G == USERS].tolist(), rows.unprompted)
        for rows in batches(data)
        if (rows.user_G == USERS).any()
    ]

    assert len(asking) == 1
    assert asking[0][0] == [3]
    assert asking[0][1] >= 1


@pytest.mark.parametrize("buckets", [False, True])
def test_an_epoch_may_begin_with_any_batch(data: Prepared, buckets: bool) -> None:
    whole = batches(data, epoch=3, buckets=buckets)
    for start in range(len(whole) + 1):
        left = batches(data, epoch=3, buckets=buckets, start=start)
        assert [rows.number for rows in left] == list(range(start, len(whole)))
        for again, before in zip(left, whole[start:], strict=True):
            assert np.array_equal(again.history.ids_UL, before.history.ids_UL)
            assert np.array_equal(again.item_G, before.item_G)


def test_the_order_is_fixed_by_seed_and_epoch(data: Prepared) -> None:
    orders = [[rows.item_G.tolist() for rows in batches(data, seed=seed, epoch=epoch)] for seed, epoch in [(0, 0)] * 2]
    assert orders[0] == orders[1]
    others = [[rows.item_G.tolist() for rows in batches(data, seed=seed, epoch=e)] for seed, e in [(1, 0), (0, 1)]]
    assert orders[0] not in others


def test_buckets_leave_less_padding(data: Prepared) -> None:
    def padding(buckets: bool) -> int:
        given = batches(data, size=2, buckets=buckets)
        return sum(int((rows.history.length_U.max() - rows.history.length_U).sum()) for rows in given)

    assert padding(buckets=True) < padding(buckets=False)


def test_a_log_without_a_relevant_event_asks_nothing(tmp_path: Path) -> None:
    events = [toy.Event(user, 1, time, target=0.0) for user in (1, 2) for time in range(3)]
    sequences = EventSequences(toy.prepared(tmp_path, events, 2, 2), LENGTH)

    assert (len(sequences), sequences.count_batches(4), list(sequences.batches(4, 0, 0))) == (0, 0, [])
