"""Types and times of past events, and groups of rows, from a log worked out by hand to what a ranker learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError, RecipeError
from shortlist.core.progress import Reporter, Silent
from shortlist.data.event_rows import EventRows
from shortlist.data.held_out import hold_out
from shortlist.data.loader import Gather, retrieval_pairs
from shortlist.data.prepare import prepare
from shortlist.data.prepared import Prepared
from shortlist.recipe import parse_recipe
from shortlist.schema import Kind, Side, Split

LOG: dict[str, list[Any]] = {
    "user": [1, 1, 1, 1, 1, 2, 2, 2, 2],
    "item": ["a", "b", "b", "c", "a", "c", "c", "a", "b"],
    "what": ["view", "cart", "buy", None, "view", "view", "view", "cart", "gift"],
    "at": [1000, 1003, 1063, 4663, 91063, 500, 500, 502, 10**8],
    "part": ["train", "train", "train", "train", "test", "train", "train", "valid", "test"],
    "place": [1, 2, 1, 2, 1, 1, 2, 1, 1],
    "score": [1, 2, 3, 1, 3, 1, 2, 2, 1],
}
RECIPE = """
[data]
interactions = "log.parquet"
[schema]
user_id = "user"
item_id = "item"
timestamp = "at"
event = "what"
targets.wanted = "score > 2"
[split]
kind = "column"
column = "part"
[ranking]
[compute]
threads = 1
"""
VIEW, BUY, CART, UNKNOWN = 1, 2, 3, 0
"""Rows of the column of types: the most frequent in training first, then by name."""
BY_HAND: dict[tuple[int, int], list[tuple[int, int]]] = {
    (1, 1000): [],
    (1, 1003): [(VIEW, 3)],
    (1, 1063): [(VIEW, 7), (CART, 6)],
    (1, 4663): [(VIEW, 12), (CART, 12), (BUY, 12)],
    (1, 91063): [(VIEW, 17), (CART, 17), (BUY, 17), (UNKNOWN, 17)],
    (2, 502): [(VIEW, 2), (VIEW, 2)],
    (2, 10**8): [(VIEW, 27), (VIEW, 27), (CART, 27)],
}
"""Types and ages before each event, by user and time: 2 s is row 2, 3 s row 3, 60 s row 6, 63 s row 7, an hour row 12,
a day row 17, three years row 27."""


def prepared(folder: Path, recipe: str = RECIPE, reporter: Reporter | None = None, **columns: list[Any]) -> Prepared:
    pq.write_table(pa.table({**LOG, **columns}), folder / "log.parquet")
    prepare(parse_recipe(recipe, "log.toml", data_dir=folder), folder / "prepared", reporter or Silent())
    return Prepared.open(folder / "prepared")


def test_types_and_ages_are_columns_of_the_past(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    types, ages = data.schema.side(Side.PAST)

    assert (types.name, types.kind, types.size) == ("past.type", Kind.FIELD, 4)
    assert (ages.name, ages.kind, ages.size) == ("past.age", Kind.FIELD, 33)
    assert ages.offset == types.offset + types.size == data.schema.rows - ages.size
    assert data.schema.inputs(Side.USER, Side.ITEM, Side.PAST, history_length=3).past == (types, ages)
    assert data.schema.inputs(Side.USER, Side.ITEM, history_length=3).past == ()
    (shard,) = data.shards
    assert shard.event is not None
    by_time = dict(zip(zip(shard.user.tolist(), shard.time.tolist(), strict=True), shard.event.tolist(), strict=True))
    first = {int(data.user_keys[row].as_py()): row for row in range(1, 3)}
    assert by_time[first[1], 1063] == types.offset + BUY
    assert by_time[first[1], 4663] == types.offset + UNKNOWN
    assert by_time[first[2], 10**8] == types.offset + UNKNOWN  # Its type never occurs in training.


def told(data: Prepared, past_LP: Any, length: int) -> list[tuple[int, int]]:
    offsets = [column.offset for column in data.schema.side(Side.PAST)]
    assert (past_LP[length:] == 0).all()
    return [tuple(row) for row in (past_LP[:length] - offsets).tolist()]


@pytest.mark.parametrize("length", [1, 2, 50])
def test_a_row_is_told_of_the_events_before_it(tmp_path: Path, length: int) -> None:
    data = prepared(tmp_path)
    gather = Gather(data, length, past=True)
    found = {}
    for shard in data.shards:
        history = gather.history(shard, np.arange(len(shard)))
        assert history is not None
        assert history.past_ULP is not None
        assert history.past_ULP.shape == (*history.ids_UL.shape, 2)
        for row in range(len(shard)):
            user = int(data.user_keys[int(shard.user[row])].as_py())
            found[user, int(shard.time[row])] = told(data, history.past_ULP[row], int(history.length_U[row]))

    for moment, expected in BY_HAND.items():
        assert found[moment] == expected[-length:]


def test_trimmed_and_untold_histories_are_of_the_same_events(tmp_path: Path) -> None:
    (shard,) = (data := prepared(tmp_path)).shards
    rows_B, past = np.array([8, 0, 3, 4]), data.schema.side(Side.PAST)
    for own_item in (True, False):
        whole, trimmed, plain = (
            shard.history(rows_B, 50, data.id_of_item, own_item=own_item, trim=trim, past=of)
            for trim, of in ((False, past), (True, past), (False, ()))
        )
        assert plain.past_ULP is None
        assert whole.past_ULP is not None
        assert trimmed.past_ULP is not None
        assert whole.ids_UL.tolist() == plain.ids_UL.tolist()
        assert whole.length_U.tolist() == plain.length_U.tolist() == trimmed.length_U.tolist()
        assert trimmed.past_ULP.tolist() == whole.past_ULP[:, : trimmed.ids_UL.shape[1]].tolist()
        # Every event has an age, which is never row 0: the planes are filled where the items are.
        assert ((whole.past_ULP[:, :, 1] > 0).sum(axis=1) == whole.length_U).all()


def test_what_is_left_out_of_a_history_takes_its_type_and_age_with_it(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    (shard,) = data.shards
    row = int(np.flatnonzero(shard.time == 1063)[0])

    history = shard.history(np.array([row]), 5, data.id_of_item, own_item=False, past=data.schema.side(Side.PAST))

    assert history.past_ULP is not None
    assert told(data, history.past_ULP[0], int(history.length_U[0])) == [(VIEW, 7)]  # Not the cart of the bought item.


def test_held_out_users_come_with_types_and_times(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    offset = data.schema.column("past.type").offset
    held_out = hold_out(data, Split.TEST, exclude_seen=False)

    assert [data.user_keys[int(user)].as_py() for user in held_out.user_U] == [1]
    known = held_out.history.rows(np.arange(len(held_out)))
    assert known.times.tolist() == [1000, 1003, 1063, 4663]
    assert known.types is not None
    assert (known.types - offset).tolist() == [VIEW, CART, BUY, UNKNOWN]


def test_retrieval_is_not_told(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    pairs = next(iter(retrieval_pairs(EventRows(data, Split.TRAIN), Gather(data, 4), 3, 0, 0)))

    assert pairs.query.history is not None
    assert pairs.query.history.past_ULP is None


def test_without_types_ages_are_told_alone(tmp_path: Path) -> None:
    data = prepared(tmp_path, RECIPE.replace('event = "what"\n', ""))
    (shard,) = data.shards

    assert [column.name for column in data.schema.side(Side.PAST)] == ["past.age"]
    assert shard.event is None
    history = Gather(data, 3, past=True).history(shard, np.arange(len(shard)))
    assert history is not None
    assert history.past_ULP is not None
    assert history.past_ULP.shape == (9, 3, 1)


@pytest.mark.parametrize("role", ["user_id", "timestamp"])
def test_without_users_or_times_there_is_no_past(tmp_path: Path, role: str) -> None:
    left_out = next(line for line in RECIPE.splitlines() if line.startswith(role))
    data = prepared(tmp_path, RECIPE.replace('event = "what"\n', "").replace(left_out + "\n", ""))

    assert data.schema.side(Side.PAST) == ()
    history = Gather(data, 5, past=True).history(data.shards[0], np.arange(2))
    assert history is None if role == "user_id" else history is not None and history.past_ULP is None


class _Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, stage: str, text: str) -> None:
        self.lines += text.splitlines()


@pytest.mark.parametrize(
    ("groups", "same"),
    [
        (["x", "x", "y", "z", "ü", "x", "y", "z", "ü"], None),
        ([5, 5, -7, 2**60, 0, 5, -7, 2**60, 0], [5, 5, -7, 2**60, 0, 5, -7, 2**60, 0]),
        ([1.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0], [1, 1, 2, 3, 4, 1, 2, 3, 4]),
    ],
)
def test_rows_of_a_group_are_known_by_its_number(tmp_path: Path, groups: list[Any], same: list[int] | None) -> None:
    recipe, said = RECIPE.replace('event = "what"', 'event = "what"\ngroup = "shown"'), _Said()
    data = prepared(tmp_path, recipe, said, shown=groups)
    (shard,) = data.shards
    assert shard.group is not None
    assert shard.group.dtype == np.int64
    found: dict[Any, set[int]] = {}
    for user, at, number in zip(shard.user, shard.time, shard.group.tolist(), strict=True):
        row = [(u, t) for u, t in zip(LOG["user"], LOG["at"], strict=True)].index(
            (data.user_keys[int(user)].as_py(), int(at))
        )
        if at != 500:  # Two rows of this moment are in different groups.
            found.setdefault(groups[row], set()).add(number)

    assert all(len(numbers) == 1 for numbers in found.values())
    assert len({next(iter(numbers)) for numbers in found.values()}) == len(found) == 4
    if same is not None:
        assert sorted(shard.group.tolist()) == sorted(same)
    assert not any(line.startswith(("shown ->", "what ->")) for line in said.lines)
    assert any(line.startswith("place ->") for line in said.lines)


def test_a_log_without_groups_has_none(tmp_path: Path) -> None:
    assert prepared(tmp_path).shards[0].group is None


def test_rows_without_a_group_are_dropped_and_said(tmp_path: Path) -> None:
    said = _Said()
    recipe = RECIPE.replace('event = "what"', 'event = "what"\ngroup = "shown"')
    data = prepared(tmp_path, recipe, said, shown=["x", None, "x", "", "x", "x", "x", "x", "x"])

    assert len(data.shards[0]) == 7
    assert any("rows without a group" in line for line in said.lines)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('timestamp = "at"', "", r"schema.event.*needs schema.user_id, schema.item_id and schema.timestamp"),
        (
            "[ranking]",
            '[features.context]\nkind = {kind = "categorical", column = "what"}',
            r"known of past events alone",
        ),
    ],
)
def test_what_types_need_and_who_may_not_read_them(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prepared(tmp_path, RECIPE.replace(old, new))


def test_a_column_of_types_must_be_there_and_hold_one_value_a_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"schema.event = 'wat': log.parquet has no column `wat`. Did you mean `what`"):
        prepared(tmp_path, RECIPE.replace('event = "what"', 'event = "wat"'))
    with pytest.raises(DataError, match=r"schema.group = 'groop'"):
        prepared(tmp_path, RECIPE.replace('event = "what"', 'group = "groop"'))
    lists = RECIPE.replace('event = "what"', 'event = "kinds"')
    with pytest.raises(DataError, match=r"schema.event = 'kinds': expected one type of event in each row"):
        prepared(tmp_path, lists, kinds=[["view"]] * 9)
