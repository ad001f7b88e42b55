"""Filling up: where a filter leaves a source less than was asked for, the most popular of what it keeps follow.

Legend: U requests, K candidates, J candidates with those that were added.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.rows import Ints
from shortlist.funnel.columns import PROPOSED, Candidates, Requests, Source
from shortlist.funnel.sources.mixture import with_new


def filled(found: Candidates, requests: Requests, source: Source, fallback: Source, k: int) -> Candidates:
    """At least `k` candidates wherever the fallback knows as many; `found` itself where it has them.

    A source may know nothing of an item, as of one that came after it was fitted. Those that are added have its score
    all the same, but no more than the least of what it found.
    """
    short_U1 = found.valid_UK.sum(axis=1, keepdims=True) < k
    if not short_U1.any():
        return found
    more_UK = np.where(short_U1, fallback(requests, k).item_UK, 0)
    return extended(found, requests, source, more_UK, fallback.name)


def extended(found: Candidates, requests: Requests, source: Source, more_UK: Ints, name: str) -> Candidates:
    """The candidates and those of `more_UK` that are not among them, which count as proposed by `name`."""
    place = len(found.sources)
    item_UJ, source_UJ = with_new(found.item_UK, found.source_UK, more_UK, more_UK.shape[1], place)
    added = item_UJ.shape[1] - found.item_UK.shape[1]
    least_U1 = np.where(found.valid_UK, found.score_UK, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    score_UJ = np.minimum(source.scores(requests, item_UJ), least_U1).astype(np.float32)
    score_UJ[:, : found.score_UK.shape[1]] = found.score_UK
    proposed_UJ = np.pad(found.proposed_UK, ((0, 0), (0, added)), constant_values=1 << place)
    columns = {"retrieval": score_UJ, PROPOSED: proposed_UJ}
    return Candidates(item_UJ, score_UJ, source_UJ, (*found.sources, name), columns).ordered(score_UJ)
