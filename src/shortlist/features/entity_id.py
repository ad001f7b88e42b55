"""The id of the user or item itself, as a field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pyarrow as pa

from shortlist.features.base import ROW, Transform, ints_from_arrow
from shortlist.features.rows import Ints
from shortlist.schema import Column, Kind, Side


@dataclass(frozen=True)
class EntityId(Transform):
    """Entity rows below `size` are their own id; the others (nothing of them in train) share the OOV row."""

    size: int
    """Rows with an embedding, the OOV row included."""

    kind: ClassVar[str] = "entity_id"

    @classmethod
    def of(cls, side: Side, size: int) -> Self:
        """`user.id` or `item.id`; `size` is 1 + the number of entities with at least one training event."""
        return cls(f"{side}.id", ROW, size)

    def columns(self) -> tuple[Column, ...]:
        """One field."""
        return (Column(name=self.name, side=self.side, kind=Kind.FIELD, size=self.size),)

    def apply(self, values: pa.Array) -> list[Ints]:
        """From the entity rows in the batch column `#row` (null: unknown)."""
        rows_n = ints_from_arrow(values)
        return [np.where((rows_n > 0) & (rows_n < self.size), rows_n, np.int32(0))]
