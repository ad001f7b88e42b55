"""Lists that were really shown: the rows of a group, such as a display or a search, in the ranker's order.

Legend: N rows, G groups with a relevant row, K positions of the longest list that metrics look at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shortlist.core.seeding import stream
from shortlist.features.rows import Floats, Longs
from shortlist.metrics._interval import Estimate, mean_interval
from shortlist.metrics._names import METRICS, parse

_CERTAIN = ("recall", "hit_rate")
"""What is 1 for every list that ends before the cut-off."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups as lists of hits, those without a relevant row left out."""

    hit_GK: npt.NDArray[np.bool_]
    relevant_G: Longs
    without: int
    """Groups that were left out."""
    longest: int
    """Rows of the largest group of all."""

    @classmethod
    def of(
        cls, group_N: Longs, score_N: Floats, label_N: npt.NDArray[np.bool_], positions: int, seed: int = 0
    ) -> Groups:
        """Rows of equal group by falling score, equal scores in random order: the file's own may tell the truth."""
        order_N = np.lexsort((stream(seed, "ties in groups").random(len(group_N)), -score_N, group_N))
        _, list_N, size_L = np.unique(group_N[order_N], return_inverse=True, return_counts=True)
        place_N = np.arange(len(order_N)) - (np.cumsum(size_L) - size_L)[list_N]
        label_N = label_N[order_N]
        relevant_L = np.bincount(list_N[label_N], minlength=len(size_L))
        longest = int(size_L.max(initial=0))
        hit_LK = np.zeros((len(size_L), min(positions, longest)), np.bool_)
        shown_N = label_N & (place_N < hit_LK.shape[1])
        hit_LK[list_N[shown_N], place_N[shown_N]] = True
        kept_L = relevant_L > 0
        return cls(hit_LK[kept_L], relevant_L[kept_L], int(np.count_nonzero(~kept_L)), longest)

    def measure(self, names: Iterable[str]) -> dict[str, Estimate]:
        """Each metric over all groups; without those that no order could change, empty without groups."""
        if not len(self.relevant_G):
            return {}
        found = {}
        for name in names:
            function, cutoff = parse(name)
            if function in _CERTAIN and (cutoff or 0) >= self.longest:
                continue
            found[name] = mean_interval(METRICS[function](self.hit_GK, self.relevant_G, cutoff))
        return found
