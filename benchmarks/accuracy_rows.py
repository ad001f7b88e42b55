"""Rows that several tables of retrieval have in common."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.accuracy_data import RECIPES
from benchmarks.accuracy_lists import Entry, Settings

ADAM: Mapping[str, Any] = {
    "embedding": {"name": "adam", "lr": 1e-3},
    "dense": {"name": "adam", "lr": 1e-3},
}
"""Of [retrieval]: how the papers train their sequence models."""
FALLING: Mapping[str, Any] = {"schedule": {"decay": "cosine"}}
"""Of [retrieval]: rates fall to 0 by the last epoch, so that few epochs are enough."""
POPULARITY = Entry(retrieval={"model": {"name": "popularity"}})
ITEM_KNN = Entry(
    retrieval={"model": {"name": "item_knn"}},
    choices=tuple({"model": {"similarity": name}} for name in ("cosine", "tfidf", "bm25")),
)
USER_KNN = replace(ITEM_KNN, retrieval={"model": {"name": "user_knn"}})
ALS = Entry(
    retrieval={"model": {"name": "als", "dim": 128}},
    choices=tuple({"model": {"alpha": alpha}} for alpha in (1, 5, 20)),
    begins_at_random=True,
)


def retrieval_of(name: str) -> Settings:
    """[retrieval] of the shipped recipe `name`, as its file says it: whoever runs that gets the model of the row."""
    with (RECIPES / f"{name}.toml").open("rb") as file:
        found: Settings = tomllib.load(file)["retrieval"]
    return found


def ease(*l2: float) -> Entry:
    """EASE with each of these weights of its regression's squares tried."""
    return Entry(retrieval={"model": {"name": "ease"}}, choices=tuple({"model": {"l2": weight}} for weight in l2))


def trying(entry: Entry, setting: str, values: Sequence[Any], **about: Any) -> Entry:
    """The row with each of these values of a setting of its model tried, and further fields of the row."""
    return replace(entry, choices=tuple({"model": {setting: value}} for value in values), **about)
