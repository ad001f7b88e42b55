"""Prepared data: users, items and events as memory-mapped arrays.

Legend: n rows of a shard, B rows of a batch, T targets, L history length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.features.rows import (
    FeatureTable,
    Floats,
    HistoryRows,
    Ints,
    Longs,
    RaggedBag,
    matrix_from_arrow,
)
from shortlist.schema import Schema, Split
from shortlist.schema.columns import ITEM_ID


@dataclass(frozen=True, slots=True)
class EventShard:
    """Whole users' events, sorted by user and time; each column a view on the file."""

    user: Ints
    item: Ints
    time: Longs
    split: npt.NDArray[np.int8]
    targets_nT: Floats
    weight: Floats | None
    context: FeatureTable
    start: Longs
    """For each row the first row of the same user: a history is a slice between the two."""

    def __len__(self) -> int:
        return len(self.user)

    def relevant(self) -> npt.NDArray[np.bool_]:
        """Rows whose first target is above 0; every row of a log without targets."""
        if self.targets_nT.shape[1] == 0:
            return np.ones(len(self), bool)
        return self.targets_nT[:, 0] > 0

    def history(self, rows_B: npt.NDArray[Any], length: int, id_of_item: Ints, *, own_item: bool = True) -> HistoryRows:
        """The events of the same user strictly before each row, as rows of the item id column, oldest first.

        Of a split that is not by time, events of later splits are left out: a training row never sees a test item.
        `own_item` false leaves out earlier events with the row's own item, as a view before its purchase. Where seen
        items are never recommended, no candidate is in its user's history, so no training row's item may be either.
        """
        place_BL, count_B = self._visible(rows_B, length, length, own_item)
        inside_BL = np.arange(length) < count_B[:, None]
        ids_BL = np.where(inside_BL, id_of_item[self.item[place_BL]], 0)
        return HistoryRows.each(ids_BL.astype(np.int32), count_B.astype(np.int32))

    def _visible(
        self, rows_B: npt.NDArray[Any], length: int, look_back: int, own_item: bool
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows place_BL of the latest `length` events that each row may see, oldest first, and how many there are.

        Looks at the last `look_back` events, and further back for the rows that find too few to see among them: a
        history is as long in training as it is on the server.
        """
        earlier_B = np.where(self.user[rows_B] > 0, rows_B - self.start[rows_B], 0)
        count_B = np.minimum(earlier_B, look_back)
        inside_BW = np.arange(look_back) < count_B[:, None]
        place_BW = np.where(inside_BW, (rows_B - count_B)[:, None] + np.arange(look_back), 0)
        hidden_BW = self.split[place_BW] > self.split[rows_B][:, None]
        if not own_item:
            hidden_BW |= self.item[place_BW] == self.item[rows_B][:, None]
        hidden_BW &= inside_BW
        if look_back == length and not hidden_BW.any():
            return place_BW, count_B
        visible_BW = inside_BW & ~hidden_BW
        visible_B = visible_BW.sum(1)
        order_BW = np.argsort(~visible_BW, axis=1, kind="stable")
        latest_BL = np.maximum(visible_B - length, 0)[:, None] + np.arange(length)
        place_BL = np.take_along_axis(place_BW, np.take_along_axis(order_BW, latest_BL, axis=1), axis=1)
        count_B = np.minimum(visible_B, length)
        short_B = (count_B < length) & (earlier_B > look_back)
        if short_B.any():
            place_BL[short_B], count_B[short_B] = self._visible(rows_B[short_B], length, 4 * look_back, own_item)
        return place_BL, count_B

    @classmethod
    def open(cls, path: Path) -> EventShard:
        """Map one shard file."""
        batch = _only_batch(path)
        user = batch.column("user").to_numpy()
        first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]]) if len(user) else np.zeros(0, np.int64)
        counts = np.diff(np.r_[first, len(user)])
        return cls(
            user=user,
            item=batch.column("item").to_numpy(),
            time=batch.column("time").to_numpy(),
            split=batch.column("split").to_numpy(),
            targets_nT=matrix_from_arrow(batch.column("targets")),
            weight=batch.column("weight").to_numpy() if "weight" in batch.schema.names else None,
            context=FeatureTable.from_arrow(batch),
            start=np.repeat(first, counts),
        )


@dataclass(frozen=True)
class Prepared:
    """A prepared folder."""

    folder: Path
    schema: Schema
    manifest: dict[str, Any]
    users: FeatureTable
    items: FeatureTable
    user_keys: pa.Array
    item_keys: pa.Array
    item_titles: pa.Array
    item_train_count: Longs
    item_positive_count: Longs
    shards: tuple[EventShard, ...]

    @classmethod
    def open(cls, folder: str | Path) -> Prepared:
        """Map a prepared folder; DataError if it is not one."""
        folder = Path(folder)
        if not (folder / "manifest.json").is_file():
            raise DataError(f"{folder} holds no prepared data (no manifest.json). Make it with: shortlist prepare")
        manifest = read_json(folder / "manifest.json")
        users, items = _only_batch(folder / "users.arrow"), _only_batch(folder / "items.arrow")
        return cls(
            folder=folder,
            schema=Schema.from_json(read_json(folder / "schema.json")),
            manifest=manifest,
            users=FeatureTable.from_arrow(users),
            items=FeatureTable.from_arrow(items),
            user_keys=users.column("key"),
            item_keys=items.column("key"),
            item_titles=items.column("title"),
            item_train_count=items.column("train_count").to_numpy(),
            item_positive_count=items.column("positive_count").to_numpy(),
            shards=tuple(EventShard.open(path) for path in sorted(folder.glob("events-*.arrow"))),
        )

    @cached_property
    def id_of_item(self) -> Ints:
        """For each item row its row of the item id column, OOV where it never occurs in train."""
        return item_id_column(self.items, self.schema)

    def rows_of(self, split: Split) -> Iterator[tuple[EventShard, Longs]]:
        """Each shard with its rows of `split`."""
        for shard in self.shards:
            yield shard, np.flatnonzero(shard.split == split)

    def items_of_users(self, *splits: Split, relevant_only: bool = False) -> RaggedBag:
        """Item rows of every user's events of these splits, in order of time, for each row of the user table."""
        users, items = [], []
        for shard in self.shards:
            keep = np.isin(shard.split, splits) & (shard.user > 0) & (shard.item > 0)
            if relevant_only:
                keep &= shard.relevant()
            users.append(shard.user[keep])
            items.append(shard.item[keep])
        user = np.concatenate(users) if users else np.zeros(0, np.int32)
        offsets = np.searchsorted(user, np.arange(len(self.users) + 1)).astype(np.int64)
        return RaggedBag(np.concatenate(items) if items else np.zeros(0, np.int32), offsets)


def item_id_column(items: FeatureTable, schema: Schema) -> Ints:
    """For each item row its row of the item id column; empty when the data has no items."""
    fields = schema.inputs(*(column.side for column in schema.columns if column.name == ITEM_ID)).fields
    names = [column.name for column in fields]
    return items.ids_nF[:, names.index(ITEM_ID)] if ITEM_ID in names else np.zeros(len(items), np.int32)


def _only_batch(path: Path) -> pa.RecordBatch:
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path), "r"))
        return reader.get_batch(0)
    except (pa.ArrowInvalid, OSError, IndexError) as error:
        raise DataError(f"cannot read {path}: {error}. Prepare it again with: shortlist prepare --force") from error
