"""The demo shop's users: what a table shows of them, and the tastes that only the simulation knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.core.seeding import stream
from shortlist.data.shop.clock import DAY, START
from shortlist.data.shop.goods import CATEGORY_NAMES, STYLES
from shortlist.data.shop.items import ids

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_CITIES = (
    "Hamburg",
    "Vienna",
    "Leipzig",
    "Zurich",
    "Bremen",
    "Graz",
    "Freiburg",
    "Basel",
    "Dresden",
    "Salzburg",
    "Mainz",
    "Lucerne",
)
_DIMENSIONS = (*CATEGORY_NAMES, *STYLES)

_SEGMENTS: tuple[Mapping[str, float], ...] = (
    {
        "coffee beans": 2.6,
        "coffee grinders": 1.6,
        "coffee makers": 1.4,
        "single origin": 1.8,
        "light roast": 1.6,
        "decaf": -1.6,
    },
    {
        "coffee capsules": 2.4,
        "ground coffee": 1.0,
        "chocolate": 1.1,
        "dark roast": 1.8,
        "compact": 1.3,
        "sugar free": -1.0,
    },
    {
        "bread": 1.8,
        "dairy": 1.6,
        "fruit": 1.1,
        "breakfast": 1.3,
        "local": 1.4,
        "price": -0.8,
        "fruity": 0.8,
    },
    {
        "plant drinks": 2.6,
        "vegetables": 1.6,
        "fruit": 1.3,
        "vegan": 2.2,
        "organic": 1.6,
        "dairy": -2.4,
        "fair trade": 1.0,
    },
    {
        "tea": 2.7,
        "chocolate": 1.0,
        "hot chocolate": 1.4,
        "decaf": 1.6,
        "fair trade": 1.3,
        "coffee beans": -1.9,
        "iced coffee": -1.3,
    },
    {
        "pastries": 1.9,
        "iced coffee": 2.2,
        "chocolate": 0.8,
        "nutty": 1.3,
        "sugar free": 1.1,
        "price": -0.5,
        "gluten free": 1.0,
    },
)
"""Kinds of people, by how their tastes differ from the average."""

_OLDER: Mapping[str, float] = {
    "iced coffee": -0.5,
    "plant drinks": -0.3,
    "tea": 0.4,
    "bread": 0.2,
    "decaf": 0.4,
    "vegan": -0.3,
    "local": 0.3,
    "price": 0.25,
}
"""How tastes move with one standard deviation of age."""
_SEGMENT_OF_AGE = np.array([0.0, 0.3, 0.3, -0.5, 0.7, -0.8])
_SEGMENT_OF_CITY = 0.7
_CITY_LIFT = 0.5
_OWN_LIFT = 0.5
_MEAN_PRICE_TASTE = -0.35

_MEAN_AGE, _AGE_SPREAD, _YOUNGEST, _OLDEST = 41, 14, 18, 85
_JOINED_LATER = 0.25
_OLDEST_MEMBER_DAYS = 1_000
_VISITS_A_DAY, _VISITS_SPREAD = 0.07, 0.6


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """All users: U rows; D dimensions of `truth.Truth`."""

    table: pa.Table
    join_U: Floats
    """Days since the simulation's start, negative if before it."""
    rate_U: Floats
    """Visits a day that come of themselves, beside those made to buy something again."""
    taste_UD: NDArray[np.float32]


def crowd(count: int, days: int, seed: int) -> People:
    """`count` users whose hidden segment, and so their taste, depends on age and city."""
    rng = stream(seed, "users")
    share = 1 / np.arange(1, len(_CITIES) + 1)
    city_U = rng.choice(len(_CITIES), count, p=share / share.sum())
    age_U = np.clip(rng.normal(_MEAN_AGE, _AGE_SPREAD, count), _YOUNGEST, _OLDEST).astype(np.int64)
    later_U = rng.random(count) < _JOINED_LATER
    join_U = np.where(later_U, rng.uniform(0, days, count), -rng.uniform(0, _OLDEST_MEMBER_DAYS, count))
    rate_U = _VISITS_A_DAY * rng.lognormal(-(_VISITS_SPREAD**2) / 2, _VISITS_SPREAD, count)
    table = pa.table(
        {
            "user_id": ids("u", count, digits=6),
            "city": pa.array(_CITIES).take(pa.array(city_U)),
            "age": age_U,
            "member_since": START + np.floor(join_U * DAY).astype(np.int64),
        }
    )
    return People(table, join_U, rate_U, _tastes(city_U, age_U, rng))


def _tastes(city_U: Integers, age_U: Integers, rng: np.random.Generator) -> NDArray[np.float32]:
    older_U = (age_U - _MEAN_AGE) / _AGE_SPREAD
    segment_of_city = rng.normal(0, _SEGMENT_OF_CITY, (len(_CITIES), len(_SEGMENTS)))
    weight_US = segment_of_city[city_U] + older_U[:, None] * _SEGMENT_OF_AGE
    segment_U = np.argmax(weight_US + rng.gumbel(size=weight_US.shape), axis=1)
    city_lift = rng.normal(0, _CITY_LIFT, (len(_CITIES), len(_DIMENSIONS)))
    own_UD = rng.normal(0, _OWN_LIFT, (len(age_U), len(_DIMENSIONS)))
    segment_lift = np.array([_lift(segment) for segment in _SEGMENTS])
    taste_UD = segment_lift[segment_U] + city_lift[city_U] + older_U[:, None] * _lift(_OLDER) + own_UD
    taste_UD[:, _DIMENSIONS.index("price")] += _MEAN_PRICE_TASTE
    return np.asarray(taste_UD, dtype=np.float32)


def _lift(named: Mapping[str, float]) -> Floats:
    return np.array([named.get(dimension, 0.0) for dimension in _DIMENSIONS])
