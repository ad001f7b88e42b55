"""A made-up Outbrain: the files of the Kaggle competition with their columns, and with sizes and skew like theirs.

A user clicks the ad that is liked best: ads differ in how attractive they are, and one whose document shares the page's
topic is liked more. Distinct values grow with rows as words do with text (Heaps' law).

Legend: D displays, S ads shown over all displays, A ads, P documents (pages), U users, V page views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from shortlist.core.files import whole_file
from shortlist.core.seeding import stream
from shortlist.data.outbrain import files
from shortlist.data.outbrain.files import DAY_MS, DAYS, FIRST_DAY_MS
from shortlist.features.rows import Longs
from shortlist.features.values import Doubles

_ROWS = 87_141_731
_ADS, _CAMPAIGNS, _ADVERTISERS = 559_583, 34_675, 4_385
_DOCUMENTS, _SOURCES, _PUBLISHERS = 2_999_334, 14_394, 1_263
_USERS, _PLACES = 13_868_245, 2_988
_TOPICS, _CATEGORIES, _ENTITIES = 300, 97, 1_326_009
_HEAPS = 0.6
_SHOWN = (2, 3, 4, 5, 6, 7, 8, 12)
_SHOWN_SHARES = (0.08, 0.18, 0.26, 0.05, 0.26, 0.02, 0.1, 0.05)
_VIEWS_A_DISPLAY = 3


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How many of each there are for a number of rows of clicks_train.csv."""

    rows: int

    def of(self, original: int, least: int = 20) -> int:
        """Of what the original has so many."""
        return min(original, max(least, int(original * math.pow(self.rows / _ROWS, _HEAPS))))


def make_outbrain(folder: Path, rows: int, seed: int) -> list[Path]:
    """Write the eight files with about `rows` rows of clicks; the same seed gives the same bytes."""
    sizes, random = _Sizes(min(rows, _ROWS)), stream(seed, "outbrain")
    documents, users = sizes.of(_DOCUMENTS, 100), sizes.of(_USERS, 50)
    topic_P = _zipf(random, _TOPICS, documents)
    ad_page_A = _zipf(random, documents, sizes.of(_ADS))
    shown = _displays(random, rows, len(ad_page_A))
    events = _events(random, int(shown.display_S[-1]) + 1, documents, users, sizes.of(_PLACES))
    clicked_S = _clicked(random, shown, events["document_id"], ad_page_A, topic_P)
    tables = {
        files.CLICKS: {"display_id": shown.display_S + 1, "ad_id": shown.ad_S + 1, "clicked": clicked_S},
        files.EVENTS: {**events, "document_id": events["document_id"] + 1},
        files.ADS: {
            "ad_id": np.arange(len(ad_page_A)) + 1,
            "document_id": ad_page_A + 1,
            "campaign_id": _zipf(random, sizes.of(_CAMPAIGNS), len(ad_page_A)) + 1,
            "advertiser_id": _zipf(random, sizes.of(_ADVERTISERS), len(ad_page_A)) + 1,
        },
        files.META: _meta(random, documents, sizes),
        files.TOPICS: _aspects(random, "topic_id", _TOPICS, documents, topic_P),
        files.CATEGORIES: _aspects(random, "category_id", _CATEGORIES, documents, topic_P % _CATEGORIES),
        files.ENTITIES: _entities(random, sizes.of(_ENTITIES, 50), documents),
        files.VIEWS: _views(random, events, documents),
    }
    return [_write(folder / name, pa.table(columns)) for name, columns in tables.items()]


def _write(path: Path, table: pa.Table) -> Path:
    with whole_file(path) as draft:
        csv.write_csv(table, draft, csv.WriteOptions(quoting_style="none"))
    return path


def _zipf(random: np.random.Generator, values: int, rows: int) -> Longs:
    """Ranks from 0 on, as skewed as words: the logarithm of a rank is spread evenly."""
    rank = np.exp(random.random(rows) * np.log(values + 1)).astype(np.int64)
    found: Longs = np.minimum(rank, values) - 1
    return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """Which ads were shown, display after display, each at most once in one."""

    display_S: Longs
    ad_S: Longs


def _displays(random: np.random.Generator, rows: int, ads: int) -> _Shown:
    """Displays of two ads and more, about as many rows as asked for."""
    per_display = float(np.dot(_SHOWN, _SHOWN_SHARES))
    count_D = random.choice(_SHOWN, max(1, round(rows / per_display)), p=_SHOWN_SHARES)
    # A popular ad that is drawn twice for one display is shown once: a few more are drawn.
    drawn_D = count_D * 2
    display = np.repeat(np.arange(len(count_D)), drawn_D)
    key = np.unique(display * ads + _zipf(random, ads, len(display)))
    display = key // ads
    first_D = np.searchsorted(display, np.arange(len(count_D)))
    # Keys ascend by ad, and low ads are the popular ones: those that stay are drawn, too.
    order = np.lexsort((random.random(len(key)), display))
    kept = np.arange(len(key)) - first_D[display] < count_D[display]
    key, display = key[order][kept], display[kept]
    several = np.bincount(display, minlength=len(count_D))[display] > 1
    _, display = np.unique(display[several], return_inverse=True)
    return _Shown(display.astype(np.int64), key[several] % ads)


def _events(random: np.random.Generator, displays: int, documents: int, users: int, places: int) -> dict[str, Any]:
    country = np.array(["US", "CA", "GB", "AU", "DE", "IN", "BR", "FR"])
    place_D = _zipf(random, places, displays)
    geo = [_place(place, str(country[place % len(country)])) for place in place_D.tolist()]
    platform = random.choice(["1", "2", "3", "\\N"], displays, p=[0.38, 0.49, 0.1298, 0.0002])
    return {
        "display_id": np.arange(displays) + 1,
        "uuid": [f"{user * 2_654_435_761 % 2**32:08x}" for user in _zipf(random, users, displays).tolist()],
        "document_id": _zipf(random, documents, displays),
        "timestamp": np.sort(random.integers(0, DAYS * DAY_MS, displays)),
        "platform": platform.tolist(),
        "geo_location": geo,
    }


def _place(place: int, country: str) -> str:
    """`US>CA>803`, and outside of North America the country alone or with a region."""
    state = f"{chr(65 + place % 26)}{chr(65 + place // 26 % 26)}"
    return (
        f"{country}>{state}>{500 + place}"
        if country in ("US", "CA")
        else f"{country}>{state}"
        if place % 3
        else country
    )


def _clicked(random: np.random.Generator, shown: _Shown, page_D: Longs, ad_page_A: Longs, topic_P: Longs) -> Longs:
    """1 for the ad of each display that is liked best."""
    attraction_A = random.normal(0, 1, len(ad_page_A))
    same_S = topic_P[page_D[shown.display_S]] == topic_P[ad_page_A[shown.ad_S]]
    liked_S: Doubles = attraction_A[shown.ad_S] + 1.5 * same_S + random.gumbel(size=len(shown.ad_S))
    order = np.lexsort((-liked_S, shown.display_S))
    best = order[np.flatnonzero(np.diff(shown.display_S[order], prepend=-1))]
    clicked_S = np.zeros(len(shown.ad_S), np.int64)
    clicked_S[best] = 1
    return clicked_S


def _meta(random: np.random.Generator, documents: int, sizes: _Sizes) -> dict[str, Any]:
    """A source has one publisher; some have none, and some documents no time."""
    source_P = _zipf(random, sizes.of(_SOURCES), documents)
    publisher_P = source_P * 7 % sizes.of(_PUBLISHERS)
    last = (FIRST_DAY_MS + DAYS * DAY_MS) // 1000
    time_P = (last - random.exponential(200 * 86_400, documents)).astype(np.int64)
    return {
        "document_id": np.arange(documents) + 1,
        "source_id": source_P + 1,
        "publisher_id": pa.array(publisher_P + 1, mask=source_P % 10 == 9),
        "publish_time": pa.array(time_P, mask=time_P % 3 == 0).cast(pa.timestamp("s")),
    }


def _aspects(random: np.random.Generator, name: str, values: int, documents: int, first_P: Longs) -> dict[str, Any]:
    """The main one of each document, and up to two others; a tenth of the documents have none."""
    number_P = random.choice([0, 1, 2, 3], documents, p=[0.1, 0.4, 0.3, 0.2])
    page = np.repeat(np.arange(documents), number_P)
    nth = np.arange(len(page)) - np.repeat(np.cumsum(number_P) - number_P, number_P)
    value = (first_P[page] + nth * 37) % values
    confidence = random.random(len(page)) * 0.9 ** (1 + nth)
    return {"document_id": page + 1, name: value + 1, "confidence_level": np.round(confidence, 6)}


def _entities(random: np.random.Generator, values: int, documents: int) -> dict[str, Any]:
    page = np.repeat(np.arange(documents), random.integers(0, 9, documents))
    key = np.unique(page * values + _zipf(random, values, len(page)))
    page, value = key // values, key % values
    return {
        "document_id": page + 1,
        "entity_id": [f"{entity * 2_654_435_761 % 2**32:08x}" for entity in value.tolist()],
        "confidence_level": np.round(random.random(len(page)), 6),
    }


def _views(random: np.random.Generator, events: dict[str, Any], documents: int) -> dict[str, Any]:
    """The page of every display as it was opened, and other pages of the same users."""
    user_D = np.array(events["uuid"])
    other = random.integers(0, len(user_D), (_VIEWS_A_DISPLAY - 1) * len(user_D))
    display_V = np.concatenate([np.arange(len(user_D)), other])
    opened = np.arange(len(display_V)) < len(user_D)
    page_V = np.where(opened, events["document_id"][display_V], _zipf(random, documents, len(display_V)))
    time_V = np.where(opened, events["timestamp"][display_V], random.integers(0, DAYS * DAY_MS, len(display_V)))
    return {
        "uuid": user_D[display_V],
        "document_id": page_V + 1,
        "timestamp": time_V,
        "platform": np.array(events["platform"])[display_V],
        "geo_location": np.array(events["geo_location"])[display_V],
        "traffic_source": random.choice([1, 2, 3], len(display_V), p=[0.66, 0.22, 0.12]),
    }
