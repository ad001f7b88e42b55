"""Boosts: items that are worth more or less than the models say.

Legend: U requests, K candidates, I item rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.funnel.columns import Bools, Candidates, Requests
from shortlist.funnel.rank import standardised
from shortlist.funnel.rules.said import BOOST


class Boosts:
    """Adds factors to the score, standardised within the request so that a factor means the same for everybody."""

    def __init__(self, boosts: Sequence[tuple[Bools, float]]) -> None:
        """Of each the items, kept_I, and the factor."""
        self._boosts = boosts

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """In the order of the new scores; the column `rule.boost` has what was added."""
        added_UK = np.zeros(candidates.item_UK.shape, np.float32)
        for kept_I, factor in self._boosts:
            added_UK += np.float32(factor) * kept_I[candidates.item_UK]
        score_UK = standardised(candidates.score_UK, candidates.valid_UK)
        return candidates.ordered(score_UK + added_UK, **{BOOST: added_UK})
