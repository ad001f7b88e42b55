"""What the demo shop's users carry from visit to visit: what they own and when they need it again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.shop.clock import Clock
from shortlist.data.shop.goods import CATEGORIES

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

VISIT_LENGTH = 0.02
"""Days that a visit may last: the next begins later, and none begins so late that the end cuts it."""

_AGAIN = 0.65
_RHYTHM_SPREAD = 0.15
_SATED = 4.0
_LONG_AGO = -1e9
# Durables have a rhythm too long for any simulation.
_EVERY_C = np.array([category.every_days or 1e6 for category in CATEGORIES])
_DURABLE_C = np.array([category.every_days is None for category in CATEGORIES])


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """S different users who come in one round of visits."""

    user_S: Integers
    """Rows of the `Memory`."""
    now_S: Floats
    due_S: Integers
    """The category that each comes to buy again; -1 if the visit comes of itself."""


@dataclass(slots=True, eq=False)
class Memory:
    """State of U users in C categories, changed by every visit. Times are days since the start."""

    rate_U: Floats
    visit_U: Floats
    """The next visit that comes of itself."""
    due_UC: Floats
    """The next visit made to buy something again; infinite if none is planned."""
    bought_UC: Floats
    habit_UC: Integers
    """The item bought last; -1 if none."""
    free_U: Floats

    @classmethod
    def fresh(cls, clock: Clock, join_U: Floats, rate_U: Floats, rng: np.random.Generator) -> Memory:
        """Users who have bought nothing; those who join during the simulation look around at once."""
        shape = len(join_U), len(CATEGORIES)
        patience_U = np.where(join_U > 0, 0.1, 1.0)
        gap_U = patience_U * rng.standard_exponential(len(join_U)) / rate_U
        return cls(
            rate_U=rate_U,
            visit_U=clock.moment(clock.even(np.maximum(join_U, 0)) + gap_U),
            due_UC=np.full(shape, np.inf),
            bought_UC=np.full(shape, _LONG_AGO),
            habit_UC=np.full(shape, -1),
            free_U=np.maximum(join_U, 0),
        )

    def upcoming(self, end: float) -> Arrivals:
        """The users who come once more before `end`, and when and why they do."""
        due_U = self.due_UC.min(axis=1)
        now_U = np.maximum(np.minimum(self.visit_U, due_U), self.free_U)
        user_S = np.flatnonzero(now_U < end - VISIT_LENGTH)
        category_S = self.due_UC[user_S].argmin(axis=1)
        due_S = np.where(due_U[user_S] <= self.visit_U[user_S], category_S, -1)
        return Arrivals(user_S, now_U[user_S], due_S)

    def sated(self, arrivals: Arrivals) -> NDArray[np.float32]:
        """Log loss of demand in each category [S, C]: full after a purchase, fading with the rhythm."""
        elapsed_SC = arrivals.now_S[:, None] - self.bought_UC[arrivals.user_S]
        return np.asarray(_SATED * np.exp(-elapsed_SC / _EVERY_C), dtype=np.float32)

    def visited(self, clock: Clock, arrivals: Arrivals, rng: np.random.Generator) -> None:
        """Strike off the needs that brought users; plan the next visit of those who came of themselves."""
        user_S, renewal_S = arrivals.user_S, arrivals.due_S >= 0
        self.due_UC[user_S[renewal_S], arrivals.due_S[renewal_S]] = np.inf
        own_S, own_now_S = user_S[~renewal_S], arrivals.now_S[~renewal_S]
        gap_S = rng.standard_exponential(len(own_S)) / self.rate_U[own_S]
        self.visit_U[own_S] = clock.moment(clock.even(own_now_S) + gap_S)
        self.free_U[user_S] = arrivals.now_S + VISIT_LENGTH

    def bought(
        self,
        clock: Clock,
        user_P: Integers,
        category_P: Integers,
        item_P: Integers,
        now_P: Floats,
        rng: np.random.Generator,
    ) -> None:
        """Note P purchases, and plan to buy some of them again when the category's rhythm says so."""
        self.bought_UC[user_P, category_P] = now_P
        self.habit_UC[user_P, category_P] = item_P
        rhythm_P = _EVERY_C[category_P] * rng.lognormal(0, _RHYTHM_SPREAD, len(now_P))
        # Somewhere in the day around the due moment, at an hour when people shop.
        early_P, late_P = clock.even(now_P + rhythm_P - 0.5), clock.even(now_P + rhythm_P + 0.5)
        due_P = clock.moment(early_P + (late_P - early_P) * rng.random(len(now_P)))
        again_P = (rng.random(len(now_P)) < _AGAIN) & ~_DURABLE_C[category_P]
        self.due_UC[user_P, category_P] = np.where(again_P, due_P, np.inf)
