"""The items that a filter keeps, as a mask over all of them; those of the latest filters are kept ready.

Legend: I item rows.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.core.errors import RequestError
from shortlist.funnel.filters.evaluate import kept
from shortlist.funnel.filters.parse import parse

Bools = npt.NDArray[np.bool_]

MOST_BYTES = 2**26
"""Most memory of the masks that are kept ready."""
_MOST_MASKS = 256


class Masks:
    """Item masks by the text of their filter. Safe to use from several threads."""

    def __init__(self, columns: pa.RecordBatch | None) -> None:
        """`columns` are stored ones of all item rows; None for a bundle that has none."""
        self.columns = columns
        rows = 0 if columns is None else columns.num_rows
        self._most = min(max(MOST_BYTES // max(rows, 1), 2), _MOST_MASKS)
        self._masks: OrderedDict[str, Bools] = OrderedDict()
        self._lock = Lock()

    def __call__(self, text: str) -> Bools:
        """kept_I, not to be written to; row 0, no item, is never kept. RequestError says what is wrong with `text`."""
        with self._lock:
            found = self._masks.get(text)
            if found is not None:
                self._masks.move_to_end(text)
                return found
        # Two threads may make the same mask; neither has to wait for the making of another one.
        kept_I = self._made(text)
        with self._lock:
            self._masks[text] = kept_I
            while len(self._masks) > self._most:
                self._masks.popitem(last=False)
        return kept_I

    def _made(self, text: str) -> Bools:
        predicate = parse(text)
        if self.columns is None:
            raise RequestError(
                "filter: this bundle has no columns of its items to filter by. It was exported by an older version, or "
                "its recipe names no table in data.items: export it again with: shortlist run",
                "filter",
                text,
            )
        kept_I = kept(predicate, self.columns, text)
        kept_I[:1] = False
        kept_I.setflags(write=False)
        return kept_I
