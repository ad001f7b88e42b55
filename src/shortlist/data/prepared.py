"""Prepared data: users, items and events as memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.data.event_shard import EventShard
from shortlist.data.event_shards import EventShards, LocalFiles
from shortlist.data.remote import REMOTE, RemoteFiles
from shortlist.data.selection import ShardFacts
from shortlist.data.shards import read_batch
from shortlist.features.past import Events
from shortlist.features.rows import FeatureTable, Ints, Longs, RaggedBag
from shortlist.schema import Schema, Split
from shortlist.schema.columns import ITEM_ID, PAST_TYPE

FORMAT = 3
"""Version of the folder's layout; a run prepares one of another version anew."""
_KINDS: Mapping[str, Any] = {
    "item": np.int32,
    "event": np.int32,
    "time": np.int64,
    "split": np.int8,
    "weight": np.float32,
}


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
    shards: Sequence[EventShard]
    """Opened when they are asked for."""

    @classmethod
    def open(cls, folder: str | Path, cache_gib: float = 20.0) -> Prepared:
        """Map a prepared folder; DataError if it is not one.

        `cache_gib` is the most space for shards that have to be fetched from elsewhere.
        """
        folder = Path(folder)
        if not (folder / "manifest.json").is_file():
            raise DataError(f"{folder} holds no prepared data (no manifest.json). Make it with: shortlist prepare")
        manifest = read_json(folder / "manifest.json")
        users, items = read_batch(folder / "users.arrow"), read_batch(folder / "items.arrow")
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
            shards=EventShards(
                RemoteFiles.of(manifest[REMOTE], cache_gib)
                if REMOTE in manifest
                else LocalFiles(folder, manifest["shards"])
            ),
        )

    @cached_property
    def id_of_item(self) -> Ints:
        """For each item row its row of the item id column, OOV where it never occurs in train."""
        return item_id_column(self.items, self.schema)

    @cached_property
    def facts(self) -> tuple[ShardFacts, ...]:
        """What is known of each shard without opening it."""
        if REMOTE in self.manifest:
            return tuple(ShardFacts.from_json(shard["facts"]) for shard in self.manifest[REMOTE]["shards"])
        return tuple(ShardFacts.of(shard) for shard in self.shards)

    def soon(self, shard: int) -> None:
        """Say that a shard will be read before long, so that one which is elsewhere is fetched meanwhile."""
        if isinstance(self.shards, EventShards):
            self.shards.soon(shard)

    def items_of_users(self, *splits: Split, relevant_only: bool = False) -> RaggedBag:
        """Item rows of every user's events of these splits, in order of time, for each row of the user table."""
        offsets_n, columns = self.columns_of_users(["item"], *splits, relevant_only=relevant_only)
        return RaggedBag(columns["item"], offsets_n)

    def events_of_users(self, *splits: Split, users: Ints | None = None) -> Events:
        """Every user's events of these splits, in order of time, for each row of the user table; or for `users`."""
        names = ["item", "time", *(["event"] if self.has_types else [])]
        offsets_n, columns = self.columns_of_users(names, *splits, users=users)
        events = Events(RaggedBag(columns["item"], offsets_n), columns["time"], columns.get("event"))
        return events if users is None else events.rows(users)

    @property
    def has_types(self) -> bool:
        """Whether events have types."""
        return any(column.name == PAST_TYPE for column in self.schema.columns)

    def columns_of_users(
        self, names: Sequence[str], *splits: Split, relevant_only: bool = False, users: Ints | None = None
    ) -> tuple[Longs, dict[str, npt.NDArray[Any]]]:
        """Columns of every user's events of these splits, in order of time, after the offsets of the user table's rows.

        Users that are not among `users` have none.
        """
        wanted = np.ones(len(self.users), bool) if users is None else np.isin(np.arange(len(self.users)), users)
        parts = {name: [np.zeros(0, _KINDS[name])] for name in names}
        offsets_n = np.zeros(len(self.users) + 1, np.int64)
        for shard in self.shards:
            keep = np.isin(shard.split, splits) & (shard.user > 0) & (shard.item > 0)
            if users is not None:
                keep &= wanted[shard.user]
            if relevant_only:
                keep &= shard.relevant()
            for name, part in parts.items():
                part.append(getattr(shard, name)[keep])
            offsets_n[1:] += np.bincount(shard.user[keep], minlength=len(self.users))
        return np.cumsum(offsets_n), {name: np.concatenate(part) for name, part in parts.items()}


def item_id_column(items: FeatureTable, schema: Schema) -> Ints:
    """For each item row its row of the item id column; empty when the data has no items."""
    fields = schema.inputs(*(column.side for column in schema.columns if column.name == ITEM_ID)).fields
    names = [column.name for column in fields]
    return items.ids_nF[:, names.index(ITEM_ID)] if ITEM_ID in names else np.zeros(len(items), np.int32)
