"""The demo shop's visits: some users' first, second, third ... all at once, until nobody comes any more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.core.seeding import stream
from shortlist.data.shop.behaviour import SLOTS, Shown, react
from shortlist.data.shop.clock import Clock, pull
from shortlist.data.shop.goods import CATEGORIES, TAGS
from shortlist.data.shop.items import Items, stock
from shortlist.data.shop.log import Log
from shortlist.data.shop.memory import Arrivals, Memory
from shortlist.data.shop.people import People, crowd
from shortlist.data.shop.shelf import Shelf
from shortlist.data.shop.truth import Truth

Integers = NDArray[np.int64]

_GIFTS = 0.03
"""Share of visits in which somebody else's taste decides."""
_INSIGHT, _SOUGHT, _BUY_AGAIN, _FRESH = 0.5, 1.0, 2.5, 1.0
"""What the shop ranks by, before Gumbel noise: part of the preference, the category sought, the last purchase
of its kind, and how new an item is."""
_FRESH_DAYS = 14.0
_CATEGORIES, _TAGS = len(CATEGORIES), len(TAGS)
_DEMAND_C = np.array([category.demand for category in CATEGORIES], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Everything that stays as it is while users come and go."""

    days: int
    seed: int
    clock: Clock
    people: People
    items: Items
    shelf: Shelf
    truth: Truth

    @classmethod
    def of(cls, users: int, items: int, days: int, seed: int) -> World:
        """Make the users, the items and the opening hours."""
        people, goods = crowd(users, days, seed), stock(items, days, seed)
        truth = Truth(people.taste_UD, goods.trait_ID, goods.appeal_I)
        return cls(days, seed, Clock.of(days), people, goods, Shelf.of(goods), truth)


@dataclass(frozen=True, slots=True, eq=False)
class _Visits:
    """One round: what brings each of S users."""

    arrivals: Arrivals
    taste_S: Integers
    """Row in the users' table of the person whose taste decides: another's, if it is for a gift."""
    category_S: Integers
    sated_SC: NDArray[np.float32]


def walk(world: World, first: int, last: int) -> Log:
    """All events of the users `first` to `last` - 1, by user and then by time; sessions count from 0."""
    rng = stream(world.seed, "visits", first)
    people, clock = world.people, world.clock
    memory = Memory.fresh(clock, people.join_U[first:last], people.rate_U[first:last], rng)
    rounds: list[Log] = []
    while len((arrivals := memory.upcoming(world.days)).user_S):
        visits = _intend(world, memory, arrivals, first, rng)
        shown = _show(world, memory, visits, rng)
        acts = react(shown, rng)
        memory.visited(clock, arrivals, rng)
        row_P, slot_P = np.nonzero(acts.purchase_SL)
        user_P, now_P = arrivals.user_S[row_P], arrivals.now_S[row_P]
        memory.bought(clock, user_P, shown.category_SL[row_P, slot_P], shown.item_SL[row_P, slot_P], now_P, rng)
        rounds.append(Log.of(arrivals, shown, acts, len(rounds), rng))
    return Log.stack(rounds).by_user(first)


def _intend(world: World, memory: Memory, arrivals: Arrivals, first: int, rng: np.random.Generator) -> _Visits:
    """Why each user comes: for what is due, or for what taste, season, hour and larder suggest."""
    count = len(arrivals.user_S)
    gift_S = rng.random(count) < _GIFTS
    taste_S = first + np.where(gift_S, rng.integers(0, len(memory.rate_U), count), arrivals.user_S)
    sated_SC = memory.sated(arrivals)
    wish_SC = _DEMAND_C + world.truth.taste_UD[taste_S, :_CATEGORIES] + pull(arrivals.now_S) - sated_SC
    wish_SC[:, world.shelf.category_start_C == world.shelf.category_end_C] = -np.inf
    wish_S = np.argmax(wish_SC + _gumbel(wish_SC.shape, rng), axis=1)
    return _Visits(arrivals, taste_S, np.where(arrivals.due_S >= 0, arrivals.due_S, wish_S), sated_SC)


def _candidates(world: World, visits: _Visits, last_SC: Integers, rng: np.random.Generator) -> Integers:
    """Items that the shop considers, [S, K] ascending: drawn from its shelf, and the user's last purchase."""
    tag_ST = world.truth.taste_UD[visits.taste_S, _CATEGORIES : _CATEGORIES + _TAGS]
    wish_ST = tag_ST + world.shelf.style_weight_CT[visits.category_S]
    tag_S = np.argmax(wish_ST + _gumbel(wish_ST.shape, rng), axis=1)
    drawn_SK = world.shelf.draw(visits.category_S, tag_S, rng)
    last_S = np.take_along_axis(last_SC, visits.category_S[:, None], axis=1)[:, 0]
    return np.sort(np.column_stack([drawn_SK, np.where(last_S >= 0, last_S, drawn_SK[:, 0])]), axis=1)


def _show(world: World, memory: Memory, visits: _Visits, rng: np.random.Generator) -> Shown:
    """Put the shop's best guesses among the candidates into the slots."""
    items, last_SC = world.items, memory.habit_UC[visits.arrivals.user_S]
    item_SK = _candidates(world, visits, last_SC, rng)
    age_SK = visits.arrivals.now_S[:, None] - items.launch_I[item_SK]
    present_SK = age_SK >= 0
    present_SK[:, 1:] &= item_SK[:, 1:] != item_SK[:, :-1]
    category_SK = items.category_I[item_SK]
    habit_SK = item_SK == np.take_along_axis(last_SC, category_SK, axis=1)
    sought_SK = category_SK == visits.category_S[:, None]
    preference_SK = world.truth.preference(visits.taste_S, item_SK)
    score_SK = _INSIGHT * preference_SK + _BUY_AGAIN * habit_SK + _SOUGHT * sought_SK
    score_SK += _FRESH * np.exp(-np.maximum(age_SK, 0) / _FRESH_DAYS) + _gumbel(item_SK.shape, rng)
    best_SL = np.argsort(np.where(present_SK, -score_SK, np.inf), axis=1)[:, :SLOTS]

    category_SL = np.take_along_axis(category_SK, best_SL, axis=1)
    return Shown(
        item_SL=np.take_along_axis(item_SK, best_SL, axis=1),
        category_SL=category_SL,
        preference_SL=np.take_along_axis(preference_SK, best_SL, axis=1),
        sought_SL=np.take_along_axis(sought_SK, best_SL, axis=1),
        habit_SL=np.take_along_axis(habit_SK, best_SL, axis=1),
        sated_SL=np.take_along_axis(visits.sated_SC, category_SL, axis=1),
        owned_SL=np.take_along_axis(last_SC >= 0, category_SL, axis=1),
        present_SL=np.take_along_axis(present_SK, best_SL, axis=1),
    )


def _gumbel(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Standard Gumbel noise: argmax(logits + noise) draws from their softmax (Maddison et al. 2014)."""
    return -np.log(np.maximum(rng.standard_exponential(shape, dtype=np.float32), np.finfo(np.float32).tiny))
