"""Diversity: an item counts for less the more it is like those above it.

Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries,
SIGIR 1998: the next item is that of the highest (1 - w) relevance - w likeness. Relevance is the score, scaled to 0..1
over the request's candidates; likeness the highest cosine with an item above, where opposite directions count as none.

Legend: U requests, K candidates, I item rows, D dim.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.rows import Floats
from shortlist.funnel.columns import Candidates, Requests
from shortlist.funnel.rules.said import DIVERSITY

MOST_PLACES = 100
"""Places that are chosen one after another; nobody sees what is further down as a list."""
_FLOATS = 2**21
"""Numbers of vectors held at once: 8 MiB."""


class Diversity:
    """Maximal marginal relevance by the items' vectors."""

    def __init__(self, vectors_ID: Floats, weight: float, places: int) -> None:
        """`weight` of likeness, 0 to 1; `places` that are asked for."""
        self._vectors_ID = vectors_ID
        self._weight = np.float32(weight)
        self._places = min(places, MOST_PLACES)

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """In the order chosen; scores are the marginal relevance, and `rule.diversity` is the likeness."""
        value_UK = np.empty(candidates.item_UK.shape, np.float32)
        like_UK = np.zeros(candidates.item_UK.shape, np.float32)
        block = max(1, _FLOATS // max(candidates.item_UK.shape[1] * self._vectors_ID.shape[1], 1))
        for start in range(0, len(value_UK), block):
            rows = slice(start, start + block)
            relevance_UK = _scaled(np.where(candidates.valid_UK[rows], candidates.score_UK[rows], np.nan))
            direction_UKD = _directions(self._vectors_ID[candidates.item_UK[rows]])
            value_UK[rows], like_UK[rows] = self._chosen(relevance_UK, direction_UKD)
        return candidates.ordered(value_UK, **{DIVERSITY: like_UK})

    def _chosen(self, relevance_UK: Floats, direction_UKD: Floats) -> tuple[Floats, Floats]:
        """value_UK and like_UK: each item's when it was chosen, and of those that never were in the end."""
        request_U = np.arange(len(relevance_UK))
        left_UK = np.isfinite(relevance_UK)
        like_UK = np.zeros(relevance_UK.shape, np.float32)
        value_UK = (1 - self._weight) * relevance_UK
        for _ in range(min(self._places, relevance_UK.shape[1])):
            best_U = np.where(left_UK, value_UK, -np.inf).argmax(axis=1)
            left_UK[request_U, best_U] = False
            cosine_UK = np.matmul(direction_UKD, direction_UKD[request_U, best_U][:, :, None])[:, :, 0]
            like_UK = np.where(left_UK, np.maximum(like_UK, cosine_UK), like_UK)
            value_UK = np.where(left_UK, (1 - self._weight) * relevance_UK - self._weight * like_UK, value_UK)
        return value_UK, like_UK


def _scaled(score_UK: Floats) -> Floats:
    """To 0..1 within each request, all of them 0 where they are equal; what is no number stays so."""
    least_U1 = np.where(np.isnan(score_UK), np.inf, score_UK).min(axis=1, keepdims=True, initial=np.inf)
    most_U1 = np.where(np.isnan(score_UK), -np.inf, score_UK).max(axis=1, keepdims=True, initial=-np.inf)
    span_U1 = np.where(most_U1 > least_U1, most_U1 - least_U1, 1)
    return np.asarray((score_UK - np.where(np.isfinite(least_U1), least_U1, 0)) / span_U1, np.float32)


def _directions(vectors_UKD: Floats) -> Floats:
    length_UK1 = np.linalg.norm(vectors_UKD, axis=2, keepdims=True)
    zeros_UKD = np.zeros(vectors_UKD.shape, np.float32)
    return np.asarray(np.divide(vectors_UKD, length_UK1, out=zeros_UKD, where=length_UK1 > 0))
