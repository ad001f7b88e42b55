"""Caps: at most so many items of each value of a column.

Legend: U requests, K candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from shortlist.features.rows import Ints
from shortlist.funnel.columns import Bools, Candidates, Requests, pinned
from shortlist.funnel.rules.codes import Codes


class Caps:
    """Walks down each list and leaves out what would be one too many; an item without a value never is.

    Pinned items stay, and count. Where the candidates have too few values the list is shorter than was asked for.
    """

    def __init__(self, caps: Sequence[tuple[Codes, int]]) -> None:
        """Of each the column, and the most items of one of its values."""
        self._caps = caps

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """Those within the caps, in their order."""
        pinned_UK = pinned(candidates)
        keep_UK = np.stack([self._kept(*each) for each in zip(candidates.item_UK, pinned_UK, strict=True)])
        return candidates.only(keep_UK)

    def _kept(self, item_K: Ints, pinned_K: Bools) -> Bools:
        columns = [codes.code_I[item_K].tolist() for codes, _ in self._caps]
        counts = [Counter(np.array(column)[pinned_K].tolist()) for column in columns]
        keep_K = pinned_K.copy()
        for i in np.flatnonzero((item_K > 0) & ~pinned_K).tolist():
            values = [column[i] for column in columns]
            checked = zip(values, counts, self._caps, strict=True)
            if all(value < 0 or count[value] < most for value, count, (_, most) in checked):
                keep_K[i] = True
                for value, count in zip(values, counts, strict=True):
                    count[value] += 1
        return keep_K
