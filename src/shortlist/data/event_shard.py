"""One shard of prepared events, its columns views on the file.

Legend: n rows of the shard, B rows of a batch, T targets, L history length, P past columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.features.past import Events, past_planes
from shortlist.features.rows import FeatureTable, Floats, HistoryRows, Ints, Longs, RaggedBag, matrix_from_arrow
from shortlist.schema import Column

WIDTH_STEP = 8
"""Widths of trimmed histories are multiples of it, so that there are few different shapes."""


@dataclass(frozen=True, eq=False)
class EventShard:
    """Whole users' events, sorted by user and time."""

    name: str
    """Of the file; no two shards of a log have the same."""
    user: Ints
    item: Ints
    time: Longs
    split: npt.NDArray[np.int8]
    targets_nT: Floats
    weight: Floats | None
    context: FeatureTable
    event: Ints | None = None
    """Of each row its type, as a row of the past column of types; None in a log without types."""
    group: Longs | None = None
    """Equal for rows that were shown together, wherever they stand; None in a log without groups."""

    @classmethod
    def of(cls, name: str, batch: pa.RecordBatch) -> EventShard:
        """The columns of a shard file's record batch, without a copy."""
        return cls(
            name=name,
            user=batch.column("user").to_numpy(),
            item=batch.column("item").to_numpy(),
            time=batch.column("time").to_numpy(),
            split=batch.column("split").to_numpy(),
            targets_nT=matrix_from_arrow(batch.column("targets")),
            weight=_numbers(batch, "weight"),
            context=FeatureTable.from_arrow(batch),
            event=_numbers(batch, "event"),
            group=_numbers(batch, "group"),
        )

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def start(self) -> Ints:
        """For each row the first row of the same user: a history is a slice between the two."""
        if not len(self):
            return np.zeros(0, np.int32)
        first = np.flatnonzero(np.r_[True, self.user[1:] != self.user[:-1]])
        return np.repeat(first.astype(np.int32), np.diff(np.r_[first, len(self)]))

    @cached_property
    def stop(self) -> Ints:
        """For each row the one after the last of the same user."""
        if not len(self):
            return np.zeros(0, np.int32)
        last = np.flatnonzero(np.r_[self.user[1:] != self.user[:-1], True])
        return np.repeat(last.astype(np.int32) + 1, np.diff(np.r_[-1, last]))

    def relevant(self, rows: npt.NDArray[Any] | slice = slice(None)) -> npt.NDArray[np.bool_]:
        """Which of `rows` have a first target above 0; each one in a log without targets."""
        if self.targets_nT.shape[1] == 0:
            return np.ones(len(self.user[rows]), bool)
        return self.targets_nT[rows, 0] > 0

    def history(
        self,
        rows_B: npt.NDArray[Any],
        length: int,
        id_of_item: Ints,
        *,
        own_item: bool = True,
        trim: bool = False,
        past: Sequence[Column] = (),
        others: bool = False,
    ) -> HistoryRows:
        """The events of the same user strictly before each row, as rows of the item id column, oldest first.

        With `others` all of the same user but the row itself, before and after it: a set, where nothing is earlier.
        Of a split that is not by time, events of later splits are left out: a training row never sees a test item.
        `own_item` false leaves out earlier events with the row's own item, as a view before its purchase. Where seen
        items are never recommended, no candidate is in its user's history, so no training row's item may be either.
        `trim` cuts the columns that no row fills. `past` says what to tell of the events beside their items.
        """
        end_B = self.stop.take(rows_B) if others else rows_B
        found_BL, count_B = self._latest(rows_B, end_B, length, length + others, own_item, places=bool(past))
        width = trimmed_width(count_B, length) if trim else length
        found_BL = found_BL[:, :width]
        inside_BL = np.arange(found_BL.shape[1]) < count_B[:, None]
        item_BL = self.item.take(found_BL) if past else found_BL
        ids_BL = np.zeros((len(rows_B), width), np.int32)
        np.copyto(ids_BL[:, : found_BL.shape[1]], id_of_item.take(item_BL), where=inside_BL)
        past_BLP = self._past(rows_B, found_BL, inside_BL, width, past) if past else None
        return HistoryRows.each(ids_BL, count_B.astype(np.int32), past_BLP)

    def _past(
        self,
        rows_B: npt.NDArray[Any],
        place_BL: Longs,
        inside_BL: npt.NDArray[np.bool_],
        width: int,
        past: Sequence[Column],
    ) -> Ints:
        """past_BLP, `width` wide: what the events at these rows of the shard were to the row that they came before."""
        age_BL = self.time.take(rows_B)[:, None] - self.time.take(place_BL)
        type_BL = None if self.event is None else self.event.take(place_BL)
        return past_planes(past, type_BL, age_BL, inside_BL, width)

    def before(self, rows_B: npt.NDArray[Any]) -> Events:
        """The events of known items of the same user strictly before each row, oldest first: all, however many.

        Of a split that is not by time, events of later splits are left out.
        """
        count_B = self._until(rows_B, rows_B)
        offsets_n = np.concatenate([np.zeros(1, np.int64), np.cumsum(count_B)])
        row_P = np.repeat(np.arange(len(rows_B)), count_B)
        place_P = np.arange(offsets_n[-1]) + np.repeat(rows_B - count_B - offsets_n[:-1], count_B)
        visible_P = (self.split.take(place_P) <= self.split.take(rows_B)[row_P]) & (self.item.take(place_P) > 0)
        place_P, row_P = place_P[visible_P], row_P[visible_P]
        offsets_n = np.searchsorted(row_P, np.arange(len(rows_B) + 1)).astype(np.int64)
        types = None if self.event is None else self.event.take(place_P)
        return Events(RaggedBag(self.item.take(place_P), offsets_n), self.time.take(place_P), types)

    def history_length(self, rows_B: npt.NDArray[Any], most: int, *, others: bool = False) -> Longs:
        """How many events there are for each row's `history`, at most `most`; some of them it may not see."""
        end_B = self.stop.take(rows_B) - 1 if others else rows_B
        return np.minimum(self._until(rows_B, end_B), most)

    def _until(self, rows_B: npt.NDArray[Any], end_B: npt.NDArray[Any]) -> Longs:
        """How many events each row's user has before the place `end_B`; none where nobody knows who it is."""
        return np.where(self.user.take(rows_B) > 0, end_B - self.start.take(rows_B), 0)

    def _latest(
        self,
        rows_B: npt.NDArray[Any],
        end_B: npt.NDArray[Any],
        length: int,
        look_back: int,
        own_item: bool,
        *,
        places: bool,
    ) -> tuple[npt.NDArray[Any], Longs]:
        """Items of the latest `length` events before `end_B` that each row may see, oldest first, and their number.

        With `places` their rows in the shard instead.
        Looks at the last `look_back` events, and further back for the rows that find too few to see among them: a
        history is as long in training as it is on the server. There may be fewer columns than `length`.
        """
        earlier_B = self._until(rows_B, end_B)
        count_B = np.minimum(earlier_B, look_back)
        width = max(int(count_B.max(initial=0)), 1)
        # Beyond its events a row sees its user's last, or itself, so that no place is outside the shard.
        place_BW = np.minimum((end_B - count_B)[:, None] + np.arange(width), np.maximum(end_B - 1, rows_B)[:, None])
        item_BW = self.item.take(place_BW)
        visible_BW = np.arange(width) < count_B[:, None]
        if not own_item:
            visible_BW &= item_BW != self.item.take(rows_B)[:, None]
        is_behind = bool((end_B > rows_B).any())
        if is_behind:
            visible_BW &= place_BW != rows_B[:, None]
        if is_behind or not self.in_order:
            visible_BW &= self.split.take(place_BW) <= self.split.take(rows_B)[:, None]
        visible_B = np.count_nonzero(visible_BW, axis=1)
        gaps = np.flatnonzero((visible_B < count_B) | (count_B > length))
        found_BW = place_BW if places else item_BW
        found_BL, latest_B = found_BW[:, :length], np.minimum(visible_B, length)
        found_BL[gaps] = _packed(found_BW[gaps], visible_BW[gaps], found_BL.shape[1])
        short = np.flatnonzero((latest_B < length) & (earlier_B > look_back))
        if short.size:
            found_SL, latest_B[short] = self._latest(
                rows_B[short], end_B[short], length, 4 * look_back, own_item, places=places
            )
            found_BL[short, : found_SL.shape[1]] = found_SL
        return found_BL, latest_B

    @cached_property
    def in_order(self) -> bool:
        """Whether no user has an event of a later split before one of an earlier split."""
        return bool(((self.split[1:] >= self.split[:-1]) | (self.user[1:] != self.user[:-1])).all())


def _numbers(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any] | None:
    """The column of that name, if there is one."""
    return batch.column(name).to_numpy() if name in batch.schema.names else None


def _packed(found_BW: npt.NDArray[Any], visible_BW: npt.NDArray[np.bool_], length: int) -> npt.NDArray[Any]:
    """The last `length` visible events of each row from the left on; then 0."""
    # V visible events, one row after another: the last of a row stands before the first of the next.
    count_B = np.count_nonzero(visible_BW, axis=1)
    place_V = np.arange(count_B.sum()) - np.repeat(np.cumsum(count_B) - np.minimum(count_B, length), count_B)
    found_V = found_BW.ravel().take(np.flatnonzero(visible_BW))
    is_latest_V = place_V >= 0
    start_V = np.repeat(np.arange(len(count_B)) * length, count_B)
    packed_BL = np.zeros((len(found_BW), length), found_BW.dtype)
    packed_BL.ravel()[(place_V + start_V)[is_latest_V]] = found_V[is_latest_V]
    return packed_BL


def trimmed_width(count_B: Longs, length: int) -> int:
    """Columns that the longest history needs, at least one step of them."""
    longest = max(int(count_B.max(initial=0)), 1)
    return min(-(-longest // WIDTH_STEP) * WIDTH_STEP, length)
