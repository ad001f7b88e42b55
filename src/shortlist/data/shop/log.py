"""The demo shop's event log: what happened in each round of visits, put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.data.shop.behaviour import SLOTS, Acts, Shown
from shortlist.data.shop.clock import DAY, START
from shortlist.data.shop.memory import Arrivals

Integers = NDArray[np.int64]

EVENTS = ("view", "cart", "purchase")
"""What `event_E` counts through."""

_SECONDS_A_SLOT = 30
# The look, the click into the cart after it, and the slot's end never overtake one another.
_LOOK, _CLICK, _CHECKOUT = (0, 15), (5, 15), (20, 120)


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """E events as columns of numbers."""

    user_E: Integers
    item_E: Integers
    second_E: Integers
    event_E: Integers
    session_E: Integers
    position_E: Integers
    """Place in the shown list, from 1."""

    @classmethod
    def of(
        cls,
        arrivals: Arrivals,
        shown: Shown,
        acts: Acts,
        session: int,
        rng: np.random.Generator,
    ) -> Self:
        """The events of one round of visits, all under one session number; purchases close a visit."""
        shape = shown.item_SL.shape
        start_S = START + np.ceil(arrivals.now_S * DAY).astype(np.int64)
        view_SL = start_S[:, None] + _SECONDS_A_SLOT * np.arange(SLOTS) + rng.integers(*_LOOK, shape)
        cart_SL = view_SL + rng.integers(*_CLICK, shape)
        checkout_S = start_S + _SECONDS_A_SLOT * SLOTS + rng.integers(*_CHECKOUT, len(start_S))
        purchase_SL = np.broadcast_to(checkout_S[:, None], shape)
        second_NSL = np.stack([view_SL, cart_SL, purchase_SL])
        happened_NSL = np.stack([acts.view_SL, acts.cart_SL, acts.purchase_SL])
        event_E, row_E, slot_E = np.nonzero(happened_NSL)
        return cls(
            user_E=arrivals.user_S[row_E],
            item_E=shown.item_SL[row_E, slot_E],
            second_E=second_NSL[event_E, row_E, slot_E],
            event_E=event_E,
            session_E=np.full(len(row_E), session),
            position_E=slot_E + 1,
        )

    @classmethod
    def stack(cls, logs: Sequence[Log]) -> Self:
        """One log of several, in their order; of none, an empty one."""
        none = np.zeros(0, dtype=np.int64)
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([none, *(getattr(log, name) for log in logs)]) for name in names})

    def by_user(self, first: int) -> Log:
        """In order of user and time, sessions counted through from 0, users numbered from `first`."""
        order_E = np.lexsort((self.event_E, self.second_E, self.user_E))
        user_E, session_E = self.user_E[order_E], self.session_E[order_E]
        begins_E = np.ones(len(order_E), dtype=bool)
        begins_E[1:] = (user_E[1:] != user_E[:-1]) | (session_E[1:] != session_E[:-1])
        return Log(
            user_E=first + user_E,
            item_E=self.item_E[order_E],
            second_E=self.second_E[order_E],
            event_E=self.event_E[order_E],
            session_E=np.cumsum(begins_E) - 1,
            position_E=self.position_E[order_E],
        )
