"""The demo shop's items: what a table shows of them, and what only the simulation knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shortlist.core.seeding import stream
from shortlist.data.shop.clock import DAY, START
from shortlist.data.shop.goods import CATEGORIES, CATEGORY_NAMES, TAGS

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_OCCASIONS = (
    "for slow mornings",
    "for busy days",
    "for guests",
    "for every day",
    "for the weekend",
    "for a treat",
)
_ROASTS = [TAGS.index(roast) for roast in ("light roast", "medium roast", "dark roast")]
_MOST_TAGS = 3
_LAUNCHED_LATER = 0.15
_OLDEST_DAYS = 700
_OPENING_HOUR = 6
_BRAND_FLAVOUR, _OWN_FLAVOUR = 0.8, 0.5
_BRAND_PRICE, _OWN_PRICE = 0.25, 0.30
_BRAND_QUALITY, _OWN_QUALITY, _QUALITY_OF_PRICE = 0.3, 0.4, 0.4
_FAME_OF_QUALITY, _FAME_OF_LUCK = 0.4, 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """All items: I rows; T tags; D dimensions of `truth.Truth`."""

    table: pa.Table
    category_I: Integers
    tag_I: Integers
    """The first of an item's tags: what somebody searches it by."""
    launch_I: Floats
    """Days since the simulation's start, negative if before it."""
    fame_I: Floats
    """How often the shop shows an item, relative to the others: partly quality, mostly luck."""
    trait_ID: NDArray[np.float32]
    appeal_I: NDArray[np.float32]


def stock(count: int, days: int, seed: int) -> Items:
    """`count` items in all categories, some of them launched during the `days` of the simulation."""
    rng = stream(seed, "items")
    category_I = rng.permutation(np.arange(count) % len(CATEGORIES))
    has_tag_IT, tag_I = _tags(category_I, rng)
    made = _made(category_I, rng)
    launch_I = _launches(count, days, rng)
    styles = [[TAGS[tag] for tag in np.flatnonzero(row)] for row in has_tag_IT]
    names, descriptions = _texts(category_I, tag_I, made.brand_I, styles, rng)
    price_I = np.array([category.price for category in CATEGORIES])[category_I] * np.exp(made.price_shift_I)
    demand_I = np.array([category.demand for category in CATEGORIES])[category_I]
    in_category_IC = np.eye(len(CATEGORIES))[category_I]
    dear_I1 = made.price_shift_I[:, None] / _OWN_PRICE
    table = pa.table(
        {
            "item_id": ids("i", count, digits=5),
            "name": names,
            "category": [CATEGORY_NAMES[category] for category in category_I],
            "brand": made.brand_I.tolist(),
            "price": np.round(price_I, 2),
            "tags": ["|".join(words) for words in styles],
            "description": descriptions,
            "launched": START + np.round(launch_I * DAY).astype(np.int64),
        }
    )
    return Items(
        table=table,
        category_I=category_I,
        tag_I=tag_I,
        launch_I=launch_I,
        fame_I=np.exp(_FAME_OF_QUALITY * made.quality_I + _FAME_OF_LUCK * rng.normal(size=count)),
        trait_ID=np.hstack([in_category_IC, has_tag_IT, dear_I1, made.flavour_I3]).astype(np.float32),
        appeal_I=(made.quality_I + demand_I).astype(np.float32),
    )


def _tags(category_I: Integers, rng: np.random.Generator) -> tuple[NDArray[np.bool_], Integers]:
    """One to three tags an item, at most one roast among them; and the first of each item's."""
    allowed_CT = np.array([[tag in category.tags for tag in TAGS] for category in CATEGORIES])
    key_IT = np.where(allowed_CT[category_I], rng.random((len(category_I), len(TAGS))), -1.0)
    roast_I3 = key_IT[:, _ROASTS]
    key_IT[:, _ROASTS] = np.where(roast_I3 == roast_I3.max(axis=1, keepdims=True), roast_I3, -1.0)
    wanted_I = rng.integers(1, _MOST_TAGS + 1, len(category_I))
    rank_IT = np.argsort(np.argsort(-key_IT, axis=1), axis=1)
    return (rank_IT < wanted_I[:, None]) & (key_IT >= 0), key_IT.argmax(axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """What the maker decides of each item."""

    brand_I: NDArray[np.str_]
    price_shift_I: Floats
    """Logarithm of the price over the category's median."""
    quality_I: Floats
    flavour_I3: Floats


def _made(category_I: Integers, rng: np.random.Generator) -> _Made:
    """Each item's brand with its ways in that category (good at bread, dear for jam), and the item's own."""
    count = len(category_I)
    sizes_C = np.array([len(category.brands) for category in CATEGORIES])
    starts_C = np.cumsum(sizes_C) - sizes_C
    total = int(sizes_C.sum())
    brand_I = starts_C[category_I] + rng.integers(0, sizes_C[category_I])
    names = np.array([brand for category in CATEGORIES for brand in category.brands])
    price_shift_I = rng.normal(0, _BRAND_PRICE, total)[brand_I] + rng.normal(0, _OWN_PRICE, count)
    quality_I = rng.normal(0, _BRAND_QUALITY, total)[brand_I] + rng.normal(0, _OWN_QUALITY, count)
    flavour_I3 = rng.normal(0, _BRAND_FLAVOUR, (total, 3))[brand_I] + rng.normal(0, _OWN_FLAVOUR, (count, 3))
    return _Made(names[brand_I], price_shift_I, quality_I + _QUALITY_OF_PRICE * price_shift_I, flavour_I3)


def _launches(count: int, days: int, rng: np.random.Generator) -> Floats:
    later_I = rng.random(count) < _LAUNCHED_LATER
    day_I = np.where(later_I, rng.integers(0, days, count), -rng.integers(1, _OLDEST_DAYS, count))
    return day_I + _OPENING_HOUR / 24


def _texts(
    category_I: Integers,
    tag_I: Integers,
    brand_I: NDArray[np.str_],
    styles: list[list[str]],
    rng: np.random.Generator,
) -> tuple[list[str], list[str]]:
    """A name and a sentence for every item."""
    names, descriptions = [], []
    for row, (kind_share, size_share, occasion_share) in enumerate(rng.random((len(category_I), 3))):
        category = CATEGORIES[category_I[row]]
        kind = _pick(category.kinds, kind_share)
        names.append(f"{kind} {TAGS[tag_I[row]]} {_pick(category.sizes, size_share)}")
        words = " and ".join(styles[row])
        descriptions.append(f"{kind} by {brand_I[row]}, {words}, {_pick(_OCCASIONS, occasion_share)}.")
    return names, descriptions


def _pick(words: tuple[str, ...], share: float) -> str:
    return words[int(share * len(words))]


def ids(letter: str, count: int, digits: int) -> pa.Array:
    """`count` ids such as u000042, wide enough for the last of them."""
    width = max(digits, len(str(count - 1)))
    return pa.array([f"{letter}{row:0{width}d}" for row in range(count)])
