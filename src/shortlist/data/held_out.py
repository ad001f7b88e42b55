"""Held-out users: whom a recommender is measured on, what it may know of them, and what they went on to do.

A user of the split is asked for once, at the first of the user's held-out events; the events of earlier splits are
known, the relevant events of this split are the truth. Or each held-out event is asked for that others of the same user
came before, such as the clicks of a session: those others are known, the event's item is the truth, and the users below
are those of the events, as often as they have any.

Legend: U held-out users, E events, K list positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from shortlist.core.errors import DataError
from shortlist.core.seeding import stream
from shortlist.data.event_shard import EventShard
from shortlist.data.event_shards import in_turn
from shortlist.data.histories import EventsBefore, ItemsBefore, count_before, seen_before
from shortlist.data.prepared import Prepared
from shortlist.features.past import Events
from shortlist.features.rows import Ints, Longs, RaggedBag
from shortlist.recipe.sections import Recipe, sources_of
from shortlist.schema import Split


@dataclass(frozen=True)
class HeldOut:
    """Held-out users of one split, in the order of the prepared events."""

    shards: Sequence[EventShard]
    shard_U: Longs
    """Which shard holds the user's events."""
    row_U: Longs
    """The row of that shard at whose moment the user asks, with its context and its time: the first of the split, or
    the event that is asked for."""
    user_U: Ints
    truth: RaggedBag
    """Relevant item rows, each once."""
    history: Events | EventsBefore
    """The user's events of earlier splits, or all those before that row; oldest first. Those of some users are made
    where their `rows` are asked for."""
    seen: RaggedBag | ItemsBefore
    """What must not be recommended: the history's items, or nothing where seen items may come again."""
    repeats: int
    """Relevant events left out of the truth because the item had been seen, of all users before any are sampled."""

    def __len__(self) -> int:
        return len(self.user_U)

    @property
    def relevant_U(self) -> Longs:
        """Number of relevant items of each user, at least 1."""
        return self.truth.counts()

    def hits(self, item_UK: Ints) -> npt.NDArray[np.bool_]:
        """hits_UK: whether each recommended item is relevant; 0 stands for no item and is none."""
        width = np.int64(max(int(item_UK.max(initial=0)), int(self.truth.values.max(initial=0))) + 1)
        row, item = self.truth.flat()
        relevant = np.unique(row * width + item)
        key_UK = np.arange(len(item_UK))[:, None] * width + item_UK
        return np.isin(key_UK, relevant) & (item_UK > 0)

    def requests(self, size: int) -> Iterator[tuple[EventShard, Longs, Longs]]:
        """The requests' rows, at most `size` of one shard at a time, and their places among the U, in their order."""
        wanted: list[int] = np.unique(self.shard_U).tolist()
        for i, shard in zip(wanted, in_turn(self.shards, wanted), strict=True):
            place_n = np.flatnonzero(self.shard_U == i)
            for start in range(0, len(place_n), size):
                place_B = place_n[start : start + size]
                yield shard, self.row_U[place_B], place_B


def hold_out(
    prepared: Prepared,
    split: Split,
    exclude_seen: bool,
    max_users: int | None = None,
    seed: int = 0,
    requests: Literal["user", "event"] = "user",
) -> HeldOut:
    """Users with a relevant event in `split` (VALID or TEST); a random `max_users` of them if there are more.

    `requests`: one for each user, or one for each relevant event that others of the same user came before.
    """
    if requests == "event":
        return _hold_out_events(prepared, split, exclude_seen, max_users, seed)
    earlier = [s for s in Split if s < split]
    relevant = prepared.items_of_users(split, relevant_only=True)
    truth, repeats = _distinct(relevant, prepared.items_of_users(*earlier) if exclude_seen else None)
    shard_of, row_of = _first_rows(prepared, split)
    users = _sampled(np.flatnonzero(truth.counts() > 0), split, max_users, seed)
    known = prepared.events_of_users(*earlier, users=users.astype(np.int32))
    return HeldOut(
        shards=prepared.shards,
        shard_U=shard_of[users],
        row_U=row_of[users],
        user_U=users.astype(np.int32),
        truth=truth.rows(users),
        history=known,
        seen=known.items if exclude_seen else _nothing(len(users)),
        repeats=repeats,
    )


def check_validation(held_out: HeldOut, recipe: Recipe) -> None:
    """DataError, with what helps, where the recipe's validation split leaves nobody to ask for."""
    if len(held_out):
        return
    alone = f"split.valid = 0{' and no [ranking]' if recipe.ranking else ''} to train without validation"
    if held_out.repeats:
        raise DataError(
            "the validation split has no relevant event to ask for: funnel.exclude_seen leaves out "
            f"{held_out.repeats:,}, of items that the same user or session had seen. Set funnel.exclude_seen = false "
            f"to ask for those too, or {alone}"
        )
    if recipe.split.requests == "user":
        raise DataError("no user has a relevant event in the validation split: make split.valid larger")
    raise DataError(
        "no held-out event of the validation split is relevant and has another of the same user or session before "
        'it, and split.requests = "event" asks for such events alone. Set split.requests = "user" to ask for first '
        f"events too, or {alone}"
    )


def seen_note(prepared: Prepared, recipe: Recipe) -> str | None:
    """For a person, where most of what the test users went on to want is left out for having been seen."""
    if not (recipe.funnel.exclude_seen and sources_of(recipe)):
        return None
    if recipe.split.requests == "event":
        asked, repeats = _later_relevant_rows(prepared, Split.TEST, unseen=True)
        relevant = len(asked.row_U) + repeats
    else:
        wanted = prepared.items_of_users(Split.TEST, relevant_only=True)
        users = np.flatnonzero(wanted.counts()).astype(np.int32)
        seen = prepared.events_of_users(Split.TRAIN, Split.VALID, users=users).items
        relevant, repeats = len(wanted.values), _distinct(wanted.rows(users), seen)[1]
    if 2 * repeats <= relevant:
        return None
    return (
        f"{repeats:,} of {relevant:,} relevant test events are of items that the same user or session had seen: "
        "neither listed nor measured, unless funnel.exclude_seen = false"
    )


def _hold_out_events(prepared: Prepared, split: Split, exclude_seen: bool, most: int | None, seed: int) -> HeldOut:
    """As `hold_out`, of events: the item of each is its only truth."""
    asked, repeats = _later_relevant_rows(prepared, split, exclude_seen)
    chosen = _sampled(np.arange(len(asked.row_U)), split, most, seed)
    known = EventsBefore(asked.shards, asked.shard_U[chosen], asked.row_U[chosen], asked.count_U[chosen])
    user, item = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    wanted: list[int] = np.unique(known.shard_U).tolist()
    for i, shard in zip(wanted, in_turn(prepared.shards, wanted), strict=True):
        rows = known.row_U[known.shard_U == i]
        user.append(shard.user[rows])
        item.append(shard.item[rows])
    return HeldOut(
        shards=prepared.shards,
        shard_U=known.shard_U,
        row_U=known.row_U,
        user_U=np.concatenate(user),
        truth=RaggedBag(np.concatenate(item), np.arange(len(chosen) + 1)),
        history=known,
        seen=ItemsBefore(known) if exclude_seen else _nothing(len(chosen)),
        repeats=repeats,
    )


def _later_relevant_rows(prepared: Prepared, split: Split, unseen: bool) -> tuple[EventsBefore, int]:
    """Every relevant event of `split` that another event of the same user came before.

    Of `unseen` ones alone where only those are asked for, and how many were left out then.
    """
    shard_of, row_of, count_of = ([np.zeros(0, np.int64)] for _ in range(3))
    repeats = 0
    for i, shard in enumerate(prepared.shards):
        rows = np.flatnonzero((shard.split == split) & (shard.user > 0) & (shard.item > 0) & shard.relevant())
        if unseen:
            is_seen = seen_before(shard, rows)
            repeats += int(is_seen.sum())
            rows = rows[~is_seen]
        count = count_before(shard, rows)
        row_of.append(rows[count > 0])
        count_of.append(count[count > 0])
        shard_of.append(np.full(len(row_of[-1]), i))
    parts = (np.concatenate(part) for part in (shard_of, row_of, count_of))
    return EventsBefore(prepared.shards, *parts), repeats


def _sampled(users: Longs, split: Split, most: int | None, seed: int) -> Longs:
    """At most so many of them, drawn at random, in their order."""
    if most is None or len(users) <= most:
        return users
    return np.sort(stream(seed, "held out", int(split)).choice(users, most, replace=False))


def _nothing(users: int) -> RaggedBag:
    return RaggedBag(np.zeros(0, np.int32), np.zeros(users + 1, np.int64))


def _distinct(relevant: RaggedBag, seen: RaggedBag | None) -> tuple[RaggedBag, int]:
    """Each row's items once, without those of `seen`; and how many events that left out."""
    user, item = relevant.flat()
    width = np.int64(max(int(item.max(initial=0)), int(seen.values.max(initial=0)) if seen is not None else 0) + 1)
    key = user * width + item
    repeated = np.zeros(len(key), bool)
    if seen is not None:
        seen_user, seen_item = seen.flat()
        repeated = np.isin(key, seen_user * width + seen_item)
    kept = np.unique(key[~repeated])
    offsets = np.searchsorted(kept // width, np.arange(len(relevant) + 1)).astype(np.int64)
    return RaggedBag((kept % width).astype(np.int32), offsets), int(repeated.sum())


def _first_rows(prepared: Prepared, split: Split) -> tuple[Longs, Longs]:
    """For each user row the shard and the row of its first event of `split`; -1 where it has none."""
    shard_of = np.full(len(prepared.users), -1, np.int64)
    row_of = np.full(len(prepared.users), -1, np.int64)
    for i, shard in enumerate(prepared.shards):
        rows = np.flatnonzero((shard.split == split) & (shard.user > 0))
        user, first = np.unique(shard.user[rows], return_index=True)
        shard_of[user], row_of[user] = i, rows[first]
    return shard_of, row_of
