"""Popularity: what most had, of late or of one's own kind.

The baseline that every other model has to beat, and often does not: Ji, Sun, Cao, Wu: A Re-visit of the Popularity
Baseline in Recommender Systems, SIGIR 2020.

Legend: G segments, I item rows, n events.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from shortlist.core.errors import DataError
from shortlist.core.memory import check_memory
from shortlist.core.settings import Settings
from shortlist.features.rows import Longs
from shortlist.models.base import Fitted, Interactions, MatrixModel
from shortlist.models.matrix import known
from shortlist.schema import Column, Side

DAY = 86_400
"""Seconds."""
_REMEDY = "Name a segment of fewer values, or none."


class Popularity(MatrixModel):
    """Each item's share of the events, the same for all users or for those of a segment."""

    class Config(Settings):
        """Settings of `popularity`."""

        window: float | None = Field(None, gt=0)
        """Days before the end of training whose events count; None for all."""
        segment: str | None = None
        """A categorical user feature, such as gender, within whose values events are counted; None for all users."""
        smoothing: float = Field(100.0, ge=0)
        """Events that the overall shares count for in a segment: what keeps small segments near them."""

    config: Config
    names_user_field = "segment"

    def _fit(self, log: Interactions, threads: int, seed: int) -> Fitted:
        """Shares of each segment; row 0, for those of no known segment, has the overall ones."""
        column = self._column(log)
        user_n, item_n = log.events.items.flat()
        segment_n = np.zeros(len(user_n), np.int64)
        segments, settings = 1, {}
        if column is not None:
            place = log.user_inputs.field(column.name)
            segments, settings = column.size, {"field": place, "offset": column.offset}
            segment_n = log.users.ids_nF[user_n, place].astype(np.int64) - column.offset
        weight_n = np.ones(len(user_n)) if log.weights is None else log.weights.astype(np.float64)
        weight_n = np.where(known(log) & self._counted(log), weight_n, 0)
        check_memory(12 * segments * log.items, f"popularity of {log.items:,} items in {segments:,} segments", _REMEDY)
        flat = np.bincount(segment_n * log.items + item_n, weight_n, segments * log.items)
        count_GI = flat.reshape(segments, log.items)
        overall_I = count_GI.sum(0) / (count_GI.sum() or 1)
        total_G1 = count_GI.sum(1, keepdims=True) + self.config.smoothing
        # In the place of the counts: of large segments there may be room for no other.
        share_GI = count_GI
        share_GI += self.config.smoothing * overall_I
        np.divide(share_GI, total_G1, out=share_GI, where=total_G1 > 0)
        share_GI[total_G1[:, 0] == 0] = overall_I
        share_GI[0] = overall_I
        return Fitted("counts", {"shares": share_GI.astype(np.float32)}, settings)

    def _counted(self, log: Interactions) -> npt.NDArray[np.bool_]:
        time_n: Longs = log.events.times
        if self.config.window is None:
            return np.ones(len(time_n), bool)
        if time_n.min() == time_n.max():
            raise DataError(
                f"window = {self.config.window:g} days needs events of different times, and all have the same: "
                "name [schema] timestamp, or leave window out"
            )
        return time_n > log.now - self.config.window * DAY

    def _column(self, log: Interactions) -> Column | None:
        if self.config.segment is None:
            return None
        return log.user_inputs.fields[log.user_inputs.field(f"{Side.USER}.{self.config.segment}")]
