"""Filters of a real bundle: exactly n of the right items from every source, the same by every way of asking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RequestError
from shortlist.funnel.sources.towers import TowerSource
from tests.bundle.shop import GOODS


def names(recommender: Recommender, **about: Any) -> list[int | str]:
    return [item.item_id for item in recommender.recommend([1], exclude_seen=False, **about)[0]]


def test_a_bundle_carries_the_raw_columns_of_its_items(shop: Recommender) -> None:
    columns = shop.bundle.attributes
    assert columns is not None
    row_I = shop.bundle.item_rows(pa.array(GOODS["good"]))

    assert set(columns.schema.names) == {"name", "kind", "price", "tags"}
    for name in columns.schema.names:
        assert columns.column(name).take(pa.array(row_I)).to_pylist() == GOODS[name], name
        assert columns.column(name)[0].as_py() is None


@pytest.mark.parametrize(
    ("text", "goods"),
    [
        ('kind = "coffee"', {"coffee", "mocha"}),
        ("price >= 3 and price < 6", {"coffee", "mocha"}),
        ('tags has "hot" and not kind = "coffee"', {"tea", "oolong"}),
        ("price is missing", {"cocoa"}),
        ("price > 100", set()),
    ],
)
def test_a_list_has_all_items_that_the_filter_keeps(shop: Recommender, text: str, goods: set[str]) -> None:
    assert set(names(shop, filter=text)) == goods
    for stages in ("retrieval", "popularity"):
        found = shop.run(shop.requests([1], exclude_seen=False, filter=text), 6, stages)
        rows = found.item_UK[found.valid_UK]
        assert set(shop.bundle.item_keys.take(pa.array(rows)).to_pylist()) == goods


def test_a_filter_keeps_the_order_of_what_it_keeps(shop: Recommender) -> None:
    everything = names(shop)
    kept = names(shop, filter='kind in ("tea", "coffee")')

    assert kept == [item for item in everything if item in {"tea", "oolong", "coffee", "mocha"}]
    assert names(shop, filter='kind = "tea"', candidates=[["tea", "mug"]]) == ["tea"]
    assert names(shop, filter='kind = "tea"', exclude=[["tea"]]) == ["oolong"]


def test_new_items_are_filtered_by_their_own_columns(shop: Recommender, tmp_path: Path) -> None:
    more = shop.with_items(
        {"good": ["matcha", "mug"], "kind": ["tea", "tea"], "price": [3, 4.5], "tags": [["green"], []]}
    )
    more.save(tmp_path / "saved")

    for recommender in (more, Recommender.load(tmp_path / "saved")):
        assert set(names(recommender, filter='kind = "tea"')) == {"tea", "oolong", "matcha", "mug"}
        assert set(names(recommender, filter='tags has "green"')) == {"oolong", "matcha"}
        assert names(recommender, filter='kind = "pots"') == []
    with pytest.raises(RequestError, match="another kind"):
        shop.with_items({"good": ["matcha"], "price": ["dear"]})


def test_a_bundle_without_columns_answers_but_refuses_filters(shop: Recommender, tmp_path: Path) -> None:
    shop.save(tmp_path / "old")
    (tmp_path / "old" / "attributes.arrow").unlink()
    facts = {name: fact for name, fact in shop.bundle.manifest.items() if name not in ("format", "files")}
    write_manifest(tmp_path / "old", facts)
    old = Recommender.load(tmp_path / "old")

    assert names(old) == names(shop)
    with pytest.raises(RequestError, match="no columns of its items to filter by"):
        names(old, filter="price < 3")


def test_masks_are_kept_and_never_written_to(shop: Recommender) -> None:
    first, again = (shop.requests([1], filter="price < 3").within_I for _ in range(2))

    assert first is again
    assert first is not None
    assert not first.flags.writeable
    assert not first[0]


def test_reasons_say_who_proposed_an_item_and_what_it_is_like(shop: Recommender) -> None:
    (items,) = shop.recommend([1], 3, False, explain=True)
    found = shop.run(shop.requests([1], exclude_seen=False), 3)
    (source,) = shop.sources
    assert isinstance(source, TowerSource)
    vectors_ID = source.vectors_ID / np.maximum(np.linalg.norm(source.vectors_ID, axis=1, keepdims=True), 1e-9)
    history = ["mocha", "coffee", "oolong", "tea"]
    row_H = shop.bundle.item_rows(pa.array(history))

    assert [item.reasons is None for item in shop.recommend([1], 3, False)[0]] == [True] * 3
    for place, item in enumerate(items):
        why = item.reasons
        assert why is not None
        assert why.sources == ("two_tower",)
        assert why.final == item.score == pytest.approx(found.score_UK[0, place])
        assert why.retrieval == pytest.approx(found.columns["retrieval"][0, place])
        assert why.ranking == pytest.approx(found.columns["ranking"][0, place])
        cosine_H = vectors_ID[row_H] @ vectors_ID[found.item_UK[0, place]]
        best = [(history[h], cosine_H[h]) for h in np.argsort(-cosine_H)[:3] if cosine_H[h] > 0]
        assert [(near.item_id, near.title) for near in why.history] == [
            (good, GOODS["name"][GOODS["good"].index(good)]) for good, _ in best
        ]
        assert [near.cosine for near in why.history] == pytest.approx([cosine for _, cosine in best], abs=1e-5)
