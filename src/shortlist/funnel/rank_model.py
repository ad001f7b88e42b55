"""The exported ranking model, and what it has made of the items once for all requests.

Legend: M rows of the ranker, A items that were added or altered since.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.features.pairs import ItemParts, Pairs
from shortlist.features.rows import FeatureRows, FeatureTable, Floats, Ints
from shortlist.funnel.session import Session, in_chunks

PART = "part."
"""Before the number of each of an item's parts."""
MODEL, ITEMS = "model.onnx", "items.onnx"
"""Files of a ranking model: one makes outputs of requests and items' parts, the other makes the parts of items."""
MOST_STORED = 2**30
"""Bytes of parts up to which a bundle has those of all its items: a million with a first layer 256 wide."""


class RankModel:
    """A ranking model as `export_ranker` writes it."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._model = Session(folder / MODEL, threads)
        # Where answers depend on no item there is none.
        self._items = Session(folder / ITEMS, threads) if (folder / ITEMS).is_file() else None

    def takes(self, name: str) -> bool:
        """Whether the model reads this input of requests, as `FeatureRows.feeds` calls them."""
        return self._model.takes(name)

    def parts(self, items: FeatureRows) -> ItemParts:
        """What the model makes of items alone; of none of their rows anything where answers depend on no item."""
        return ItemParts({} if self._items is None else self._items.named(items))

    def __call__(self, pairs: Pairs[FeatureRows] | Pairs[ItemParts]) -> Floats:
        """outputs_MO; the parts of items that come with their features are made."""
        outputs = [self._outputs(part) for part in in_chunks(pairs)]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def _outputs(self, pairs: Pairs[FeatureRows] | Pairs[ItemParts]) -> Floats:
        if isinstance(pairs.items, FeatureRows):
            pairs = Pairs(pairs.requests, self.parts(pairs.items), pairs.request_M)
        outputs_MO: Floats = self._model(pairs)
        return outputs_MO


class Catalogue:
    """All items as a ranking model takes them."""

    def __init__(self, model: RankModel, items: FeatureTable, stored: ItemParts | None = None) -> None:
        """`stored` has the parts of all items; without, they are made of those that are asked for."""
        self.model = model
        self.items = items
        self.stored = stored

    def pairs(self, requests: FeatureRows, item_M: Ints, request_M: Ints) -> Pairs[FeatureRows] | Pairs[ItemParts]:
        """Each of these items, by its row, beside the request that `request_M` says."""
        if self.stored is not None:
            return Pairs(requests, self.stored.take(item_M), request_M)
        return Pairs(requests, self.items.take(item_M), request_M)

    @classmethod
    def open(cls, folder: Path, model: RankModel, items: FeatureTable, changed_A: Ints) -> Catalogue:
        """With the parts that `save` left in `folder`; where items have changed since they are made anew."""
        arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob(f"{PART}*.npy")}
        if arrays and len(changed_A):
            return cls(model, items, cls(model, items)._all())
        return cls(model, items, ItemParts(arrays) if arrays else None)

    def save(self, folder: Path) -> None:
        """Leave the parts of all items in `folder`, unless there are none or they are large."""
        for old in folder.glob(f"{PART}*.npy"):
            old.unlink()
        parts = self.stored or self._all()
        for name, array in () if parts is None else parts.arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    def _all(self) -> ItemParts | None:
        """The parts of all items; None where there are none, or they are large."""
        rows = self.items.take(np.arange(len(self.items)))
        of_one = sum(array.nbytes for array in self.model.parts(rows.part(0, 1)).arrays.values())
        return self.model.parts(rows) if 0 < of_one * len(rows) <= MOST_STORED else None
