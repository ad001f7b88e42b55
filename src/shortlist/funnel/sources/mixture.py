"""Several sources with quotas: what the first one misses another may find.

Legend: U requests, K candidates, J items taken so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.features.rows import Floats, Ints
from shortlist.funnel.columns import PROPOSED, Bools, Candidates, Requests, Source


@dataclass(frozen=True)
class Mixture:
    """The first source's best, and of each other one its best that no source before it proposed.

    Where the others have fewer than their share the first one fills it. All candidates are ordered by the first
    source's score: the scores of two sources have nothing in common.
    """

    first: Source
    others: Sequence[Source]
    shares: Sequence[float]
    """Of each of the others its part of the candidates; the first one has the rest."""

    @property
    def name(self) -> str:
        """The names of all sources."""
        return "+".join(source.name for source in (self.first, *self.others))

    def __call__(self, requests: Requests, k: int) -> Candidates:
        """At most `k` candidates; `source_UK` says for whom each was taken, the column `proposed` who else had it."""
        quotas = [round(share * k) for share in self.shares]
        first_UK, *others = (source(requests, k).item_UK for source in (self.first, *self.others))
        item_UJ = first_UK[:, : max(k - sum(quotas), 1)]
        source_UJ = np.zeros(item_UJ.shape, np.int32)
        for place, (proposed_UK, quota) in enumerate(zip(others, quotas, strict=True), 1):
            item_UJ, source_UJ = with_new(item_UJ, source_UJ, proposed_UK, quota, place)
        item_UJ, source_UJ = with_new(item_UJ, source_UJ, first_UK, k, 0)
        score_UJ = np.where(item_UJ > 0, self.scores(requests, item_UJ), np.float32(-np.inf))
        names = tuple(source.name for source in (self.first, *self.others))
        mixed = Candidates(item_UJ, score_UJ, source_UJ, names, {"retrieval": score_UJ})
        # The taken come first, in the order in which they were proposed: cut before they are ordered by score.
        kept = _first_valid(mixed, k)
        bits = [
            _among(kept.item_UK, each_UK).astype(np.int64) << place for place, each_UK in enumerate((first_UK, *others))
        ]
        return kept.ordered(kept.score_UK, **{PROPOSED: np.bitwise_or.reduce(bits)})

    def scores(self, requests: Requests, item_UK: Ints) -> Floats:
        """score_UK of any items by the first source."""
        return self.first.scores(requests, item_UK)

    def exact(self) -> Mixture:
        """The same sources, each searched exactly; itself where they are."""
        sources = (self.first, *self.others)
        exact = [source.exact() for source in sources]
        if all(new is old for new, old in zip(exact, sources, strict=True)):
            return self
        return Mixture(exact[0], exact[1:], self.shares)


def with_new(item_UJ: Ints, source_UJ: Ints, more_UK: Ints, quota: int, place: int) -> tuple[Ints, Ints]:
    """The items taken so far, followed by the first `quota` of `more_UK` that are not among them; 0 for none."""
    new_UK = (more_UK > 0) & ~_among(more_UK, item_UJ)
    new_UK &= np.cumsum(new_UK, axis=1) <= quota
    item = np.concatenate([item_UJ, np.where(new_UK, more_UK, 0)], axis=1)
    return item, np.concatenate([source_UJ, np.full(more_UK.shape, place, np.int32)], axis=1)


def _among(item_UK: Ints, taken_UJ: Ints) -> Bools:
    """Whether each item is among those taken for the same request."""
    width = np.int64(max(int(item_UK.max(initial=0)), int(taken_UJ.max(initial=0))) + 1)
    start_U1 = np.arange(len(item_UK), dtype=np.int64)[:, None] * width
    return np.isin(start_U1 + item_UK, start_U1 + taken_UJ)


def _first_valid(mixed: Candidates, k: int) -> Candidates:
    """The first `k` that are candidates at all, those that are none behind them."""
    order_UK = np.argsort(~mixed.valid_UK, axis=1, kind="stable")[:, :k]
    return mixed.taken(order_UK)
