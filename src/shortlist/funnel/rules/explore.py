"""Exploration: chance in the list, with the probability of what was drawn, so that it can be learned from.

Plackett and Luce: each place is drawn from the items that are left, by exp(score / temperature) (Luce, Individual
Choice Behavior, 1959; Plackett, The Analysis of Permutations, 1975). To sort scores with Gumbel noise added is the same
(Yellott, Journal of Mathematical Psychology, 1977; Kool et al., Stochastic Beams and Where to Find Them, ICML 2019).

Legend: U requests, K candidates, M of them that are drawn.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shortlist.core.seeding import stream
from shortlist.features.rows import Floats, Longs
from shortlist.funnel.columns import Candidates, Requests, pinned
from shortlist.funnel.rank import standardised
from shortlist.funnel.rules.said import PROPENSITY
from shortlist.recipe.rules import Explore


class Exploration:
    """Draws the order anew. The same seed gives the same lists."""

    def __init__(self, settings: Explore, places: int, seed: int) -> None:
        """`places` that are asked for: of epsilon's, those behind them keep their order."""
        self._settings = settings
        self._places = places
        self._seed = seed

    def __call__(self, requests: Requests, candidates: Candidates) -> Candidates:
        """In the order drawn; `rule.propensity` is each item's probability of its place, given those above it.

        Their product is the probability of the list. Pinned items stand where they do with probability 1.
        """
        random = stream(self._seed, "explore")
        is_drawn_UK = candidates.valid_UK & ~pinned(candidates)
        scores_UK = standardised(candidates.score_UK, is_drawn_UK)
        order_UK = np.empty(is_drawn_UK.shape, np.int64)
        chance_UK = np.where(candidates.valid_UK, 1.0, 0.0)
        for u, is_drawn_K in enumerate(is_drawn_UK):
            place_M = np.flatnonzero(is_drawn_K)
            place_M = place_M[np.argsort(-scores_UK[u, place_M], kind="stable")]
            drawn_M, chance_M = self._drawn(scores_UK[u, place_M].astype(np.float64), random)
            chance_UK[u, place_M[drawn_M]] = chance_M
            order_UK[u] = [*place_M[drawn_M], *np.flatnonzero(~is_drawn_K)]
        chance_UK = chance_UK.astype(np.float32)
        return replace(candidates, columns={**candidates.columns, PROPENSITY: chance_UK}).taken(order_UK)

    def _drawn(self, score_M: Floats, random: np.random.Generator) -> tuple[Longs, Floats]:
        """The order in which M items, best first, are drawn, and the probability of each."""
        if self._settings.kind == "epsilon":
            return _by_epsilon(len(score_M), self._settings.epsilon, self._places, random)
        return _by_scores(score_M / self._settings.temperature, random)


def _by_scores(logit_M: Floats, random: np.random.Generator) -> tuple[Longs, Floats]:
    drawn_M = np.argsort(-(logit_M + random.gumbel(size=len(logit_M))), kind="stable")
    logit_M = logit_M[drawn_M]
    # From the last one up: the logarithm of the sum over all that were left when an item was drawn.
    left_M = np.logaddexp.accumulate(logit_M[::-1])[::-1] if len(logit_M) else logit_M
    return drawn_M, np.exp(logit_M - left_M)


def _by_epsilon(items: int, epsilon: float, places: int, random: np.random.Generator) -> tuple[Longs, Floats]:
    left = list(range(items))
    drawn, chances = [], []
    for _ in range(min(places, items)):
        place = int(random.integers(len(left))) if random.random() < epsilon else 0
        chances.append(epsilon / len(left) + (1 - epsilon) * (place == 0))
        drawn.append(left.pop(place))
    return np.array([*drawn, *left], np.int64), np.array([*chances, *[1.0] * len(left)])
