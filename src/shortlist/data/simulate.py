"""The demo shop: a seeded simulator of a coffee and grocery shop, for demos and tests without a download.

Users have tastes, cities and ages; items have categories, prices, styles and descriptions. A visit has a
purpose, sees twelve slots and leads from views to carts to purchases, with seasons, item launches, repeat
purchases, position bias and popularity bias. What users truly like is kept aside as `Truth`, so that a
ranking can be held against the oracle's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.core.errors import UserError
from shortlist.core.files import whole_file
from shortlist.data.shop.log import EVENTS
from shortlist.data.shop.truth import Truth
from shortlist.data.shop.visits import World, walk

_USERS_A_CHUNK = 8_192
_MOST_USERS = 100_000_000
_MOST_ITEMS = 10_000_000
_MOST_DAYS = 3_650


@dataclass(frozen=True, slots=True, eq=False)
class Shop:
    """One simulated shop. Times are Unix seconds, UTC."""

    events: pa.Table
    """user_id, item_id, timestamp, event (view, cart, purchase), session_id, position (1: the first slot).

    By user, then by time. No price paid and no quantity: only purchases have them, which gives them away.
    """
    users: pa.Table
    """user_id, city, age, member_since."""
    items: pa.Table
    """item_id, name, category, brand, price in euros, tags parted by "|", description, launched."""
    truth: Truth
    """The hidden preferences; never among the columns."""

    def write(self, folder: Path | str) -> None:
        """Write events.parquet, users.parquet and items.parquet, each whole or not at all."""
        _write(Path(folder), self.events.schema, self.events.to_batches(), self.users, self.items)


def simulate(users: int = 5_000, items: int = 1_000, days: int = 120, seed: int = 0) -> Shop:
    """Simulate a shop in memory, about 60 events a user at the default length. Same arguments, same bytes.

    Raises:
        UserError: a size is below 1 or beyond what ids and memory can hold, or the seed is negative.
    """
    world = _world(users, items, days, seed)
    events = pa.Table.from_batches(_batches(world), schema=_SCHEMA)
    return Shop(events, world.people.table, world.items.table, world.truth)


def simulate_to(folder: Path | str, users: int = 5_000, items: int = 1_000, days: int = 120, seed: int = 0) -> Truth:
    """Simulate straight into the files of `Shop.write`: the events of 8,192 users at a time are in memory.

    Raises:
        UserError: as for `simulate`.
    """
    world = _world(users, items, days, seed)
    _write(Path(folder), _SCHEMA, _batches(world), world.people.table, world.items.table)
    return world.truth


_SCHEMA = pa.schema(
    {
        "user_id": pa.string(),
        "item_id": pa.string(),
        "timestamp": pa.int64(),
        "event": pa.string(),
        "session_id": pa.int64(),
        "position": pa.int32(),
    }
)


def _world(users: int, items: int, days: int, seed: int) -> World:
    bounds = {"users": (users, _MOST_USERS), "items": (items, _MOST_ITEMS), "days": (days, _MOST_DAYS)}
    wrong = [
        f"{name} = {value:,}: expected 1 to {most:,}"
        for name, (value, most) in bounds.items()
        if not 1 <= value <= most
    ]
    if seed < 0:
        wrong.append(f"seed = {seed}: expected 0 or more")
    if wrong:
        raise UserError("the demo shop cannot be simulated with " + "; ".join(wrong) + ".")
    return World.of(users, items, days, seed)


def _batches(world: World) -> Iterator[pa.RecordBatch]:
    """Events of one chunk of users after the other, sessions counted through."""
    users, items = world.people.table.num_rows, world.items.table["item_id"].combine_chunks()
    ids, names = world.people.table["user_id"].combine_chunks(), pa.array(EVENTS)
    sessions = 0
    for first in range(0, users, _USERS_A_CHUNK):
        chunk = walk(world, first, min(first + _USERS_A_CHUNK, users))
        columns = [
            ids.take(pa.array(chunk.user_E)),
            items.take(pa.array(chunk.item_E)),
            pa.array(chunk.second_E),
            names.take(pa.array(chunk.event_E)),
            pa.array(chunk.session_E + sessions),
            pa.array(chunk.position_E).cast(pa.int32()),
        ]
        sessions += int(chunk.session_E[-1]) + 1 if len(chunk.session_E) else 0
        yield pa.record_batch(columns, schema=_SCHEMA)


def _write(folder: Path, schema: pa.Schema, events: Iterable[pa.RecordBatch], users: pa.Table, items: pa.Table) -> None:
    with whole_file(folder / "events.parquet") as draft, pq.ParquetWriter(draft, schema) as writer:
        for batch in events:
            writer.write_batch(batch)
    for name, table in (("users", users), ("items", items)):
        with whole_file(folder / f"{name}.parquet") as draft:
            pq.write_table(table, draft)
