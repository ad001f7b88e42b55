"""Whole users as sequences: after each of its events a sequence asks for the item of the next relevant one.

A user's training events are read in windows of at most L. Where there are more of them than that, the windows follow
one another without overlap, so that each event asks once an epoch; where they are cut changes from epoch to epoch, so
that no event asks with a short past every time. Irrelevant events are read and ask, and are never asked for. Before the
first event nothing asks for the first target: what a user without a history is answered with is learned like the rest.

Legend: n training rows of a shard, T targets among them, U users of a shard that have a target, W windows of a shard,
B windows of a rank's part of a batch, L width of a batch, P their questions, G those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shortlist.core.seeding import stream
from shortlist.data.event_rows import in_plan_order
from shortlist.data.event_shard import EventShard, trimmed_width
from shortlist.data.order import ALONE, TOGETHER, Place, ShardOrder, Share, block_size, count_batches, plan_epoch
from shortlist.data.prepared import Prepared
from shortlist.features.past import past_planes
from shortlist.features.rows import Floats, HistoryRows, Ints, Longs
from shortlist.schema import Side, Split


@dataclass(frozen=True, slots=True)
class SequenceRows:
    """This rank's B windows and the P questions that they ask, of G in the whole batch."""

    number: int
    """Of the batch in its epoch."""
    history: HistoryRows
    """The events of each window. The age of each is what it was when the question after it was asked."""
    place_P: Longs
    """After which event each question is asked, its place among the B x L; only of those that follow an event."""
    item_G: Ints
    """Item rows that are asked for; first of the questions that follow an event, then of those that follow nothing."""
    user_G: Ints
    mine_P: Longs
    """Which of the G are asked by the B windows; in the same order."""
    weight_P: Floats

    @property
    def unprompted(self) -> int:
        """How many questions follow nothing."""
        return len(self.mine_P) - len(self.place_P)


class EventSequences:
    """The training events of prepared data as windows. Only their numbers are kept."""

    def __init__(self, prepared: Prepared, length: int, *, own_item: bool = True, past: bool = False) -> None:
        """`length` is the most events of a window.

        `own_item` false: an item that the user had before is not asked for, and one that is relevant later (viewed, and
        then bought) is asked for until the user first meets it, as where seen items are never recommended.
        `past`: windows tell of their events what the schema has of them beside their items.
        """
        self.prepared = prepared
        self.length = length
        self.own_item = own_item
        self.past = prepared.schema.side(Side.PAST) if past else ()
        self.windows_S: list[int] = []
        self.count_I = np.zeros(len(prepared.items), np.int64)
        """How often each item is asked for in an epoch."""
        for shard in prepared.shards:
            users = _Users.of(shard, own_item)
            self.windows_S.append(int(users.windows_U(length).sum()))
            np.add.at(self.count_I, shard.item.take(users.row_T), users.questions_T())
        self.questions = int(self.count_I.sum())

    def __len__(self) -> int:
        return self.questions

    def count_batches(self, size: int) -> int:
        """How many batches an epoch has."""
        return count_batches(self.windows_S, size)

    def batches(
        self, size: int, seed: int, epoch: int, *, start: int = 0, buckets: bool = False, share: Share = ALONE
    ) -> Iterator[SequenceRows]:
        """This rank's part of batches of at most `size` windows of one shard, from number `start` on.

        `buckets` puts windows of like lengths into one batch.
        """
        reading = _Reading(self, size, seed, epoch, buckets)
        plan = plan_epoch(self.windows_S, size, seed, epoch)[start:]
        for number, place in enumerate(in_plan_order(self.prepared, plan), start):
            yield reading.rows(number, place, share)


@dataclass(frozen=True, slots=True)
class _Users:
    """Who asks for what in a shard."""

    row_n: Longs
    """Rows of the shard: the training events of known users."""
    next_n: Longs
    """Which target the state after each event asks for."""
    row_T: Longs
    """The target's row of the shard."""
    weight_T: Floats
    start_U: Longs
    """The first of each user's n rows."""
    states_U: Longs
    """How many of them, from the first on, have a target after them."""
    first_U: Longs
    """Which target is the user's first."""

    @classmethod
    def of(cls, shard: EventShard, own_item: bool) -> _Users:
        """Look through a shard."""
        row_n = np.flatnonzero((shard.split == Split.TRAIN) & (shard.user > 0))
        user_n = shard.user.take(row_n)
        place_T, relevant_T = _targets(user_n, shard.item.take(row_n), shard.relevant(row_n), own_item)
        is_target_n = np.zeros(len(row_n), np.int64)
        is_target_n[place_T] = 1
        next_n = np.cumsum(is_target_n)
        start_U = np.flatnonzero(np.r_[True, user_n[1:] != user_n[:-1]]) if len(user_n) else np.zeros(0, np.int64)
        last_U = np.r_[start_U[1:], len(user_n)] - 1
        first_U, end_U = next_n[start_U] - is_target_n[start_U], next_n[last_U]
        asks_U = end_U > first_U
        start_U, first_U, end_U = start_U[asks_U], first_U[asks_U], end_U[asks_U]
        weight_T = np.ones(len(place_T), np.float32) if shard.weight is None else shard.weight[row_n[relevant_T]]
        return cls(row_n, next_n, row_n[place_T], weight_T, start_U, place_T[end_U - 1] - start_U, first_U)

    def questions_T(self) -> Longs:
        """How often each target is asked for: after every event since the one before it, and a first one by nothing."""
        place_T = np.searchsorted(self.row_n, self.row_T)
        questions_T: Longs = np.diff(place_T, prepend=0)
        questions_T[self.first_U] = place_T[self.first_U] - self.start_U + 1
        return questions_T

    def windows_U(self, length: int) -> Longs:
        """How many windows of `length` each user's states take; one where there are none, for what nothing asks."""
        windows_U: Longs = np.maximum(-(-self.states_U // length), 1)
        return windows_U


def _targets(user_n: Ints, item_n: Ints, relevant_n: npt.NDArray[np.bool_], own_item: bool) -> tuple[Longs, Longs]:
    """place_T of what is asked for, in order, and the place of the relevant event that makes it so."""
    relevant_T = np.flatnonzero(relevant_n & (item_n > 0))
    if own_item:
        return relevant_T, relevant_T
    pair_n = user_n.astype(np.int64) << 32 | item_n
    pairs, met = np.unique(pair_n, return_index=True)
    wanted_T, of_T = np.unique(pair_n[relevant_T], return_index=True)
    place_T = met[np.searchsorted(pairs, wanted_T)]
    order_T = np.argsort(place_T)
    return place_T[order_T], relevant_T[of_T][order_T]


class _Windows(NamedTuple):
    """The windows of a shard in one epoch."""

    users: _Users
    user_W: Longs
    """Whose it is, as a place among the U."""
    start_W: Longs
    """The first of its n rows."""
    states_W: Longs
    """How many rows it has."""
    is_first_W: npt.NDArray[np.bool_]
    """Whether it is its user's first."""

    @classmethod
    def of(cls, users: _Users, length: int, random: np.random.Generator) -> _Windows:
        """Cut at random, but into as few windows as can be."""
        windows_U = users.windows_U(length)
        user_W = np.repeat(np.arange(len(windows_U)), windows_U)
        number_W = np.arange(len(user_W)) - np.repeat(np.cumsum(windows_U) - windows_U, windows_U)
        # What the first one leaves must fill the others at most, and needs them all.
        fewest_U = users.states_U - (windows_U - 1) * length
        first_U = np.where(windows_U > 1, random.integers(np.maximum(fewest_U, 0), length + 1), fewest_U)
        begin_W = np.where(number_W > 0, first_U[user_W] + (number_W - 1) * length, 0)
        end_W = np.minimum(first_U[user_W] + number_W * length, users.states_U[user_W])
        return cls(users, user_W, users.start_U[user_W] + begin_W, end_W - begin_W, number_W == 0)


class _Reading:
    """The windows of the shards whose blocks take turns, and the block that is being read."""

    def __init__(self, sequences: EventSequences, size: int, seed: int, epoch: int, buckets: bool) -> None:
        self.sequences = sequences
        self.size = size
        self.seed = seed
        self.epoch = epoch
        self.buckets = buckets
        self._windows: dict[int, _Windows] = {}
        self._block_of: tuple[int, int] | None = None
        self._block_W: Longs = np.zeros(0, np.int64)

    def rows(self, number: int, place: Place, share: Share) -> SequenceRows:
        """A rank's part of the batch at a place of the plan."""
        shard, windows = self.sequences.prepared.shards[place.shard], self._windows_of(place.shard)
        block, first = divmod(place.start, block_size(self.size))
        window_B = self._block(place.shard, block)[first : first + place.stop - place.start]
        return self._asked(number, shard, windows, window_B, share)

    def _block(self, shard: int, number: int) -> Longs:
        if self._block_of != (shard, number):
            order = ShardOrder(shard, self.sequences.windows_S[shard], self.size, self.seed, self.epoch)
            block_W = order.block(number)
            if self.buckets:
                block_W = order.bucketed(number, block_W, self._windows_of(shard).states_W.take(block_W))
            self._block_of, self._block_W = (shard, number), block_W
        return self._block_W

    def _windows_of(self, shard: int) -> _Windows:
        if shard not in self._windows:
            while len(self._windows) >= TOGETHER:
                self._windows.pop(next(iter(self._windows)))
            users = _Users.of(self.sequences.prepared.shards[shard], self.sequences.own_item)
            random = stream(self.seed, "windows", self.epoch, shard)
            self._windows[shard] = _Windows.of(users, self.sequences.length, random)
        return self._windows[shard]

    def _asked(self, number: int, shard: EventShard, windows: _Windows, window_W: Longs, share: Share) -> SequenceRows:
        """The events of the windows, and what is asked for after each of them."""
        users, states_W = windows.users, windows.states_W.take(window_W)
        width = trimmed_width(states_W, self.sequences.length)
        place_WL = windows.start_W.take(window_W)[:, None] + np.arange(width)
        # Beyond its events a window reads its shard's last one, which is masked.
        place_WL = np.minimum(place_WL, len(users.row_n) - 1)
        inside_WL = np.arange(width) < states_W[:, None]
        is_first_W = windows.is_first_W.take(window_W)
        first_W = window_W[is_first_W]
        target_G = np.concatenate([users.next_n[place_WL[inside_WL]], users.first_U[windows.user_W[first_W]]])
        asked_G = users.row_T[target_G]
        mine, counts = share.of(len(window_W))
        mine_P = _questions_of(mine, states_W, is_first_W)
        return SequenceRows(
            number=number,
            history=self._history(shard, users, place_WL[mine], inside_WL[mine]),
            place_P=np.flatnonzero(inside_WL[mine]),
            item_G=shard.item.take(asked_G),
            user_G=shard.user.take(asked_G),
            mine_P=mine_P,
            weight_P=users.weight_T[target_G[mine_P]] * np.float32(counts),
        )

    def _history(
        self, shard: EventShard, users: _Users, place_BL: Longs, inside_BL: npt.NDArray[np.bool_]
    ) -> HistoryRows:
        """The events at these places of the shard's training rows."""
        row_BL, length_B = users.row_n.take(place_BL), inside_BL.sum(1, dtype=np.int32)
        ids_BL = np.where(inside_BL, self.sequences.prepared.id_of_item.take(shard.item.take(row_BL)), np.int32(0))
        past = self.sequences.past
        if not past:
            return HistoryRows.each(ids_BL, length_B)
        # A masked place may be a user's last, after which nothing is asked.
        target_BL = np.minimum(users.next_n.take(place_BL), len(users.row_T) - 1)
        age_BL = shard.time.take(users.row_T.take(target_BL)) - shard.time.take(row_BL)
        type_BL = None if shard.event is None else shard.event.take(row_BL)
        return HistoryRows.each(ids_BL, length_B, past_planes(past, type_BL, age_BL, inside_BL))


def _questions_of(mine: slice, states_W: Ints | Longs, is_first_W: npt.NDArray[np.bool_]) -> Longs:
    """mine_P: the questions of some of a batch's windows, among those of all; those that follow nothing come last."""
    asked_before, nothing_before = states_W[: mine.start].sum(), is_first_W[: mine.start].sum()
    prompted_P = asked_before + np.arange(states_W[mine].sum())
    unprompted_P = states_W.sum() + nothing_before + np.arange(is_first_W[mine].sum())
    return np.concatenate([prompted_P, unprompted_P]).astype(np.int64)
