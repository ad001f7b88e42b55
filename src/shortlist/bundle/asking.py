"""From ids and raw columns to encoded requests: the same look-ups and the same transforms as in preparation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.bundle.checks import check_items, check_lists, check_users
from shortlist.bundle.lately import Lately, States
from shortlist.bundle.past_events import Event, read_events
from shortlist.bundle.read import Bundle
from shortlist.bundle.times import seconds_told
from shortlist.core.errors import RequestError
from shortlist.core.suggest import did_you_mean
from shortlist.data.prepared import item_id_column
from shortlist.features.past import Events
from shortlist.features.rows import FeatureRows, FeatureTable, Ints, Longs, RaggedBag, side_by_side
from shortlist.features.values import array_of
from shortlist.features.vocabulary import Vocabulary
from shortlist.funnel.columns import Requests, latest
from shortlist.funnel.filters.masks import Masks
from shortlist.schema import Side
from shortlist.schema.columns import ROW_SIDES
from shortlist.state.base import State

Columns = Mapping[str, Sequence[Any]]


class Asking:
    """Encodes requests against a bundle, and against what a state knows beyond it."""

    def __init__(self, bundle: Bundle, state: State | None = None) -> None:
        self.bundle = bundle
        self.lately = None if state is None else Lately(bundle, state)
        self.id_of_item = item_id_column(bundle.items, bundle.schema)
        self.masks = Masks(bundle.attributes)
        self._last_moment: tuple[int, FeatureRows] | None = None

    def requests(
        self,
        users: Sequence[int | str | None],
        *,
        history: Sequence[Sequence[Event | int | str]] | None,
        context: Columns | None,
        user_features: Columns | None,
        exclude: Sequence[Sequence[int | str]] | None,
        candidates: Sequence[Sequence[int | str]] | None,
        exclude_seen: bool | None,
        filter: str | None,
    ) -> Requests:
        """See `Recommender.requests`."""
        check_users(users)
        user_U = self.bundle.user_vocabulary.rows_of(users)
        time_U, moment = self._moment(context or {}, len(users))
        states = None if self.lately is None else self.lately.users(users)
        query = side_by_side([self._users(user_U, user_features, states), moment])
        known = self.known(user_U, states)
        if history is not None:
            check_lists(history, len(users), "history")
            known = known.then(read_events(self.bundle, history, time_U))
        seen = self.bundle.settings.exclude_seen if exclude_seen is None else exclude_seen
        left_out = [known.items] if seen else []
        if seen and self.lately is not None and any(state is not None and state.older for state in states or ()):
            left_out.append(self.lately.older(states or ()))
        if exclude is not None:
            left_out.append(self._items(exclude, len(users), "exclude"))
        return Requests(
            user_U=user_U,
            query=query,
            time_U=time_U,
            history=known,
            exclude=_joined(left_out) if left_out else RaggedBag.of([[]] * len(users)),
            allowed=None if candidates is None else self._items(candidates, len(users), "candidates"),
            within_I=None if filter is None else self.masks(filter),
            told={**(user_features or {}), **(context or {})},
        )

    def known(self, user_U: Ints, states: States | None) -> Events:
        """Each user's events, oldest first: those of the bundle, and those that the state has after them."""
        events = self.bundle.histories.events.rows(user_U)
        return events if self.lately is None or states is None else self.lately.after(events, states)

    def users(self, user_U: Ints, states: States | None) -> FeatureRows:
        """Each user's features: those of the state where it has any, else those of the bundle."""
        if self.lately is None or states is None:
            return self.bundle.users.take(user_U)
        return self.lately.features(user_U, states)

    def rows(self, columns: Columns, history_length: int) -> FeatureRows:
        """Whole rows from raw columns of all three sides; ids under the names the recipe gives them.

        A known user's and item's features come from the bundle's tables, the history from what it knows of the user.
        """
        batch = self._batch(columns, None, ROW_SIDES)
        roles = self.bundle.recipe.schema_
        time_B = self._times(columns, batch.num_rows)
        context = self._context(batch, time_B)
        user_B = _ids(self.bundle.user_vocabulary, columns, roles.user_column)
        item_B = _ids(self.bundle.item_vocabulary, columns, roles.item_id)
        user = self._side(Side.USER, self.bundle.users, user_B, batch)
        item = self._side(Side.ITEM, self.bundle.items, item_B, batch)
        rows = side_by_side([user, context, item])
        if history_length == 0:
            return rows
        events = self.bundle.histories.events.rows(np.zeros(len(rows), np.int32) if user_B is None else user_B)
        history = latest(events, time_B, history_length, self.id_of_item, self.bundle.schema.side(Side.PAST))
        return FeatureRows(rows.ids_BF, rows.numbers_BN, rows.bags, history)

    def _moment(self, context: Columns, requests: int) -> tuple[Longs, FeatureRows]:
        """When requests are made, in Unix seconds, and the features of their context."""
        if context:
            batch = self._batch(context, requests, (Side.CONTEXT,))
            time_U = self._times(context, requests)
            return time_U, self._context(batch, time_U)
        # All requests of a second that tell nothing of their context have the same.
        now, last = int(time.time()), self._last_moment
        if last is None or last[0] != now:
            batch = self._batch({}, 1, (Side.CONTEXT,))
            last = self._last_moment = now, self._context(batch, np.full(1, now))
        rows = last[1] if requests == 1 else last[1].repeat(requests)
        return np.full(requests, now), rows

    def _side(self, side: Side, table: FeatureTable, rows_B: Ints | None, batch: pa.RecordBatch) -> FeatureRows:
        """Features by the rows of known ids; encoded from the raw columns where the log has no such ids."""
        return _all(self.bundle.encoders[side].apply(batch)) if rows_B is None else table.take(rows_B)

    def _users(self, user_U: Ints, features: Columns | None, states: States | None) -> FeatureRows:
        if features is None:
            return self.users(user_U, states)
        batch = self._batch(features, len(user_U), (Side.USER,))
        batch = batch.append_column("#row", pa.array(user_U))
        return _all(self.bundle.encoders[Side.USER].apply(batch))

    def _context(self, batch: pa.RecordBatch, time_B: Longs) -> FeatureRows:
        """Features of the moment; as in preparation, they read the timestamp as Unix seconds whatever its unit is."""
        clock = self.bundle.recipe.schema_.timestamp
        if clock is not None:
            others = batch.drop_columns([clock]) if clock in batch.schema.names else batch
            batch = others.append_column(clock, pa.array(time_B))
        return _all(self.bundle.encoders[Side.CONTEXT].apply(batch))

    def _times(self, columns: Columns, rows: int) -> Longs:
        """Unix seconds by the timestamp, now where none is told; RequestError for what is no time."""
        now_B = np.full(rows, int(time.time()), np.int64)
        clock = self.bundle.recipe.schema_.timestamp
        if clock is None or clock not in columns:
            return now_B
        unit = self.bundle.schema.time_unit
        seconds_B, told_B = seconds_told(columns[clock], unit, lambda row: f"{clock}[{row}]")
        return np.where(told_B, seconds_B, now_B)

    def _batch(self, columns: Columns, rows: int | None, sides: tuple[Side, ...]) -> pa.RecordBatch:
        """Raw columns as a record batch; RequestError for a name no feature reads, or a wrong number of values."""
        roles = self.bundle.recipe.schema_
        known = {name for side in sides for name in self.bundle.encoders[side].sources}
        known |= {name for name in (roles.user_column, roles.item_id, roles.timestamp) if name is not None}
        rows = len(next(iter(columns.values()), ())) if rows is None else rows
        for name, values in columns.items():
            if name not in known:
                raise RequestError(f"no feature reads {name!r}.{did_you_mean(name, known)}")
            if len(values) != rows:
                raise RequestError(f"{name!r} has {len(values)} values for {rows} rows")
        if not columns:
            # A record batch without columns has no rows either.
            return pa.record_batch({"": pa.nulls(rows)})
        return pa.record_batch({name: array_of(list(values)) for name, values in columns.items()})

    def _items(self, lists: Sequence[Sequence[int | str]], rows: int, what: str) -> RaggedBag:
        """Rows of known items for each request."""
        check_lists(lists, rows, what)
        check_items(lists, self.bundle.schema.id_types.get("item", "text"), what)
        flat = self.bundle.item_vocabulary.rows_of([item for items in lists for item in items])
        ends = np.cumsum([len(items) for items in lists])
        return RaggedBag.of([part[part > 0] for part in np.split(flat, ends[:-1])])


def _ids(vocabulary: Vocabulary, columns: Columns, name: str | None) -> Ints | None:
    """Rows of the ids in the column called `name`; None if there is no such column."""
    return vocabulary.rows_of(columns[name]) if name is not None and name in columns else None


def _all(table: FeatureTable) -> FeatureRows:
    return table.take(np.arange(len(table)))


def _joined(bags: Sequence[RaggedBag]) -> RaggedBag:
    """For each row the values of every bag, one bag after another."""
    if len(bags) == 1:
        return bags[0]
    row = np.concatenate([bag.flat()[0] for bag in bags])
    values = np.concatenate([bag.flat()[1] for bag in bags])
    order = np.argsort(row, kind="stable")
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sum(bag.counts() for bag in bags))])
    return RaggedBag(values[order], offsets)
