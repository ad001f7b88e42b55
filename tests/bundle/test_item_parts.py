"""What the ranker has made of the items: stored with the bundle, anew for items that change, or made when asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.features.pairs import ItemParts
from shortlist.funnel import rank_model, session
from shortlist.funnel.rank_model import Catalogue
from tests.bundle.test_new_items import TWIN


def catalogue(recommender: Recommender) -> Catalogue:
    assert recommender.ranker is not None
    return recommender.ranker.catalogue


def lists(recommender: Recommender) -> list[list[tuple[object, float]]]:
    found = recommender.recommend([1, 2, None], 10, exclude_seen=False)
    return [[(item.item_id, round(item.score, 4)) for item in items] for items in found]


def assert_same(found: ItemParts | None, expected: ItemParts) -> None:
    assert found is not None
    assert found.feeds().keys() == expected.feeds().keys()
    for name, array in found.feeds().items():
        np.testing.assert_allclose(array, expected.feeds()[name], atol=1e-6)


def test_a_bundle_has_the_parts_of_all_items(shop: Recommender) -> None:
    of_all, rows = catalogue(shop), np.array([4, 1, 1, 0])

    assert of_all.stored is not None
    assert {len(array) for array in of_all.stored.arrays.values()} == {len(shop.bundle.items)}
    assert all(isinstance(array, np.memmap) for array in of_all.stored.arrays.values())
    assert_same(of_all.stored.take(rows), of_all.model.parts(shop.bundle.items.take(rows)))


def test_of_a_large_catalogue_they_are_made_of_the_candidates(
    shop: Recommender, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rank_model, "MOST_STORED", 8)
    more = shop.with_items(TWIN)
    more.save(tmp_path / "more")
    again = Recommender.load(tmp_path / "more")

    assert catalogue(again).stored is None
    assert not list((tmp_path / "more" / "ranking").glob("part.*"))
    monkeypatch.undo()
    assert lists(again) == lists(shop.with_items(TWIN))


def test_new_items_have_parts_of_their_own(shop: Recommender, tmp_path: Path) -> None:
    more = shop.with_items({**TWIN, "good": ["mug"], "price": [1.0]}).with_items(TWIN)
    of_all = catalogue(more)
    more.save(tmp_path / "more")
    again = Recommender.load(tmp_path / "more")

    assert of_all.stored is not None
    rows = np.arange(len(more.bundle.items))
    assert_same(of_all.stored, of_all.model.parts(more.bundle.items.take(rows)))
    assert_same(catalogue(again).stored, of_all.stored)
    assert lists(again) == lists(more)


def test_thousands_of_rows_are_ranked_chunk_by_chunk(shop: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand requests the candidates' parts would be hundreds of megabytes."""
    expected = lists(shop)
    monkeypatch.setattr(session, "CHUNK", 4)

    assert lists(shop) == expected
    catalogue(shop).stored, stored = None, catalogue(shop).stored
    assert lists(shop) == expected
    catalogue(shop).stored = stored
