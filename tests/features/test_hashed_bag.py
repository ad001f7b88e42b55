"""Hashed bags: the rows of `hashed`, text and lists by hand, and state through JSON."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from shortlist.features.hashed import bucket_rows
from shortlist.features.hashed_bag import HashedBag
from shortlist.features.transforms import fit, from_state, need
from shortlist.recipe import features as recipe
from shortlist.schema import Column, Kind, Side

SPEC = recipe.MultiHot(separator=" ", max_hotness=2, buckets=50)


def entities(spec: recipe.MultiHot = SPEC) -> HashedBag:
    made = fit(Side.CONTEXT, "entities", spec, None)
    assert isinstance(made, HashedBag)
    return made


def lists_of(feature: HashedBag, values: pa.Array) -> list[list[int]]:
    (bag,) = feature.apply(values)
    return [bag.values[a:b].tolist() for a, b in zip(bag.offsets_n[:-1], bag.offsets_n[1:], strict=True)]


def test_every_value_has_its_bucket_whether_seen_or_not() -> None:
    a, b, seven = bucket_rows(pa.array(["a", "b", "7"]), 50).tolist()
    assert min(a, b, seven) >= 1
    assert lists_of(entities(), pa.array(["a b", "b  a a", "", None, "7"])) == [[a, b], [b, a], [], [], [seven]]
    assert lists_of(entities(), pa.array([["b", None, " a "], None, ["", "b", "a", "7"]])) == [[b, a], [], [b, a]]
    assert lists_of(entities(), pa.array([[7], [], None])) == [[seven], [], []]


def test_it_asks_for_no_statistics_and_offers_a_bag() -> None:
    assert need(SPEC).what == "nothing"
    column = Column(name="context.entities", side=Side.CONTEXT, kind=Kind.BAG, size=51, hotness=2)
    assert entities().columns() == (column,)


def test_state_goes_through_json() -> None:
    def no_vocabulary(name: str) -> Any:
        raise AssertionError(f"{name} has no vocabulary")

    assert from_state(json.loads(json.dumps(entities().state())), no_vocabulary) == entities()


def test_what_is_hashed_cannot_be_counted() -> None:
    with pytest.raises(ValidationError, match="leave min_count or buckets out"):
        recipe.MultiHot(buckets=10, min_count=2)
