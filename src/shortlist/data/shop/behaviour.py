"""What the demo shop's users do before a shelf: whether they look, put into the cart, and buy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.shop.goods import CATEGORIES

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float32]

SLOTS = 12
"""Items shown in one visit: L below."""

_PREFERENCE, _SOUGHT, _HABIT = 1.0, 1.2, 1.5
"""What liking is made of, in log odds: the preference, the category sought, the last purchase of its kind."""
_TO_LOOK, _TO_CART, _TO_BUY = 3.4, 5.5, 1.8
"""Liking at which half of the people take each step of the funnel."""
_STRAY_LOOKS = 0.02
_POSITION_DECAY = 0.7

EXAMINED_L = (np.arange(1, SLOTS + 1) ** -_POSITION_DECAY).astype(np.float32)
"""Chance that somebody looks at each slot at all: the examination hypothesis (Craswell et al. 2008)."""

_DURABLE_C = np.array([category.every_days is None for category in CATEGORIES])


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """L slots shown in each of S visits, the best place first."""

    item_SL: Integers
    category_SL: Integers
    preference_SL: Floats
    sought_SL: Flags
    """Of the category that the visit is for."""
    habit_SL: Flags
    """What the user bought of this category the last time."""
    sated_SL: Floats
    """Log loss of demand because the user has the like at home."""
    owned_SL: Flags
    """The user bought of this category before."""
    present_SL: Flags
    """False where the shop had too little to fill the slot."""


@dataclass(frozen=True, slots=True, eq=False)
class Acts:
    """What happened to each shown item: a purchase has a cart, a cart has a view."""

    view_SL: Flags
    cart_SL: Flags
    purchase_SL: Flags


def react(shown: Shown, rng: np.random.Generator) -> Acts:
    """Draw views by position and liking, carts among the views, purchases among the carts."""
    size = shown.item_SL.shape
    liking_SL = _PREFERENCE * shown.preference_SL + _SOUGHT * shown.sought_SL + _HABIT * shown.habit_SL
    look_SL = _STRAY_LOOKS + (1 - _STRAY_LOOKS) * _sigmoid(liking_SL - _TO_LOOK)
    view_SL = shown.present_SL & (rng.random(size, dtype=np.float32) < EXAMINED_L * look_SL)
    need_SL = liking_SL - shown.sated_SL
    cart_SL = view_SL & (rng.random(size, dtype=np.float32) < _sigmoid(need_SL - _TO_CART))
    purchase_SL = cart_SL & (rng.random(size, dtype=np.float32) < _sigmoid(need_SL - _TO_BUY))
    purchase_SL &= ~(shown.owned_SL & _DURABLE_C[shown.category_SL])
    return Acts(view_SL, cart_SL, _one_of_a_kind(purchase_SL, shown.category_SL))


def _one_of_a_kind(purchase_SL: Flags, category_SL: Integers) -> Flags:
    """Keep the first purchase of each category in a visit: nobody carries home three breads."""
    several_S = np.flatnonzero(purchase_SL.sum(axis=1) > 1)
    category = np.where(purchase_SL[several_S], category_SL[several_S], -1)
    same = category[:, :, None] == category[:, None, :]
    earlier = np.tril(np.ones((SLOTS, SLOTS), dtype=bool), k=-1)
    kept_SL = purchase_SL.copy()
    kept_SL[several_S] &= ~(same & earlier).any(axis=2)
    return kept_SL


def _sigmoid(logit: Floats) -> Floats:
    chance: Floats = np.reciprocal(1 + np.exp(-logit))
    return chance
