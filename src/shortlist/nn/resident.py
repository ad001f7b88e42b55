"""Features that stay on the device: tables are copied there once, and a batch brings only the rows' numbers.

Legend: n rows of a table, B rows of a batch, H hotness.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shortlist.features.rows import FeatureTable, HistoryRows, Part, RaggedBag, collect
from shortlist.nn.batch import Bag, Batch, History, tensor

SHARE_OF_FREE = 4
"""Tables take at most this part of the device's free memory."""
SHARE_OF_TABLE = 8
"""A table takes at most this part of that: those of the shards that are read together must fit beside one another."""

CollectBatch = Callable[[Sequence[Part], HistoryRows | None], Batch]


def collect_on(device: torch.device) -> CollectBatch:
    """What gathers the rows of several sides into a batch on `device`; a GPU keeps what fits of the tables."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Resident(device, free // SHARE_OF_FREE)
    return lambda parts, history: Batch.of(collect(parts, history), device)


class Resident:
    """Gathers rows on the device. Its batches are those that `Batch.of` makes of the same rows gathered as arrays."""

    def __init__(self, device: torch.device, budget: int) -> None:
        """`budget`: most bytes of all tables together; those used longest ago make room."""
        self.device = device
        self.budget = budget
        self._tables: OrderedDict[str, _Table] = OrderedDict()

    def __call__(self, parts: Sequence[Part], history: HistoryRows | None) -> Batch:
        """The rows of several sides side by side, with their history."""
        batches = [self._take(part) for part in parts]
        return Batch(
            ids_BF=_joined([batch.ids_BF for batch in batches]),
            numbers_BN=_joined([batch.numbers_BN for batch in batches]),
            bags={name: bag for batch in batches for name, bag in batch.bags.items()},
            history=None if history is None else self._history(history),
        )

    def bytes(self) -> int:
        """Of all tables that are on the device now."""
        return sum(table.bytes for table in self._tables.values())

    def _take(self, part: Part) -> Batch:
        if _bytes(part.table) > self.budget // SHARE_OF_TABLE:
            return Batch.of(part.table.take(part.rows_B), self.device)
        return self._table(part).take(part, self.device)

    def _table(self, part: Part) -> _Table:
        if part.name not in self._tables:
            size = _bytes(part.table)
            while self._tables and self.bytes() + size > self.budget:
                self._tables.popitem(last=False)
            self._tables[part.name] = _Table.of(part.table, self.device)
        self._tables.move_to_end(part.name)
        return self._tables[part.name]

    def _history(self, rows: HistoryRows) -> History:
        ids_UL, length_U, of_B = (tensor(array, self.device) for array in (rows.ids_UL, rows.length_U, rows.of_B))
        past_ULP = None if rows.past_ULP is None else tensor(rows.past_ULP, self.device)
        return History(Bag(ids_UL, length_U), of_B, past_ULP)


@dataclass(frozen=True, slots=True)
class _Table:
    """A feature table on the device."""

    ids_nF: Tensor
    numbers_nN: Tensor
    bags: dict[str, tuple[Tensor, Tensor]]
    """Values and offsets."""
    bytes: int

    @classmethod
    def of(cls, table: FeatureTable, device: torch.device) -> _Table:
        def copied(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
            return torch.from_numpy(np.array(array)).to(device)

        bags = {name: (copied(bag.values), copied(bag.offsets_n)) for name, bag in table.bags.items()}
        return cls(copied(table.ids_nF), copied(table.numbers_nN), bags, _bytes(table))

    def take(self, part: Part, device: torch.device) -> Batch:
        rows_B = tensor(part.rows_B, device)
        bags = {name: self._bag(name, part.table.bags[name].width(part.rows_B), rows_B) for name in self.bags}
        return Batch(self.ids_nF.index_select(0, rows_B), self.numbers_nN.index_select(0, rows_B), bags)

    def _bag(self, name: str, width: int, rows_B: Tensor) -> Bag:
        """As `RaggedBag.take`; the width comes from the host, for reading it here would wait for the device."""
        values, offsets_n = self.bags[name]
        start_B = offsets_n.index_select(0, rows_B)
        length_B = offsets_n.index_select(0, rows_B + 1) - start_B
        place_H = torch.arange(width, device=rows_B.device)
        inside_BH = place_H < length_B[:, None]
        if len(values) == 0:
            return Bag(torch.zeros_like(inside_BH, dtype=torch.int32), length_B.int())
        place_BH = torch.where(inside_BH, start_B[:, None] + place_H, 0)
        return Bag(torch.where(inside_BH, values[place_BH], 0), length_B.int())


def _bytes(table: FeatureTable) -> int:
    bags: list[RaggedBag] = list(table.bags.values())
    return table.ids_nF.nbytes + table.numbers_nN.nbytes + sum(b.values.nbytes + b.offsets_n.nbytes for b in bags)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)
